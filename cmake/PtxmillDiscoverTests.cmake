# Asks a doctest executable for its test cases and writes them down for CTest. Run after each build of the
# executable by ptxmill_add_test, which documents what the variables mean.
cmake_minimum_required(VERSION 3.25)

execute_process(COMMAND "${EXECUTABLE}" --list-test-cases --no-colors=true
  WORKING_DIRECTORY "${WORKING_DIRECTORY}"
  OUTPUT_VARIABLE listing ERROR_VARIABLE complaint RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "${EXECUTABLE} --list-test-cases failed (${status}):\n${listing}${complaint}")
endif()

# A test case's name is free text, but CMake's lists give brackets and semicolons a meaning.
string(REGEX REPLACE "[][;]" "?" listing "${listing}")
string(REPLACE "\n" ";" lines "${listing}")
set(cases "")
foreach(line IN LISTS lines)
  if(line STREQUAL "" OR line MATCHES "^=+$" OR line MATCHES "^[?]doctest[?] ")
    continue()
  endif()
  if(line IN_LIST cases)
    message(FATAL_ERROR "${NAME}: two test cases are called '${line}'; give each its own name")
  endif()
  list(APPEND cases "${line}")
endforeach()
if(NOT cases)
  message(FATAL_ERROR "${NAME} holds no test case")
endif()

set(script "")
foreach(label IN LISTS LABELS)
  set(driver "PTXMILL_DRIVER=unset:")
  if(label STREQUAL "emulator")
    set(driver "PTXMILL_DRIVER=set:emulator")
  endif()
  foreach(case IN LISTS cases)
    # doctest reads a comma as "or", and '*' and '?' as wildcards.
    string(REGEX REPLACE "[,*\\\"$]" "?" filter "${case}")
    set(test "${NAME}/${label}/${case}")
    string(APPEND script
      "add_test([==[${test}]==] [==[${EXECUTABLE}]==] [==[--test-case=${filter}]==])\n"
      "set_tests_properties([==[${test}]==] PROPERTIES LABELS ${label} TIMEOUT ${TIMEOUT}"
      " WORKING_DIRECTORY [==[${WORKING_DIRECTORY}]==] ENVIRONMENT [==[${ENVIRONMENT}]==]"
      " ENVIRONMENT_MODIFICATION ${driver})\n")
  endforeach()
endforeach()
file(WRITE "${OUTPUT}" "${script}")
