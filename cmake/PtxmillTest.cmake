# ptxmill_add_test(<name>
#                  SOURCES <file>...
#                  LABELS <label>...          host, emulator, gpu, any of them
#                  [LIBRARIES <target>...]    what the test exercises
#                  [ENVIRONMENT <NAME=value>...]
#                  [TIMEOUT <seconds>])
#
# Makes one doctest executable and registers each of its test cases with CTest, once for each label, as
# "<name>/<label>/<test case>". The main function, the seed and the driver's name on every report come from
# tests/support, so that a test's sources hold test cases only.
#
#   host      no driver is involved.
#   emulator  PTXMILL_DRIVER is "emulator"; the runtime finds the emulated driver in the build tree.
#   gpu       PTXMILL_DRIVER is unset, so that the machine's own driver answers. The executable is listed in
#             gpu_tests.txt in the build directory, which `./dev gpu` runs; CTest knows these tests only where
#             PTXMILL_GPU_TESTS is on.
#
# A test that serves `emulator` and `gpu` is one source with both labels: only the driver differs.
# The target <label>_tests builds the executables that have the label.
#
# Every test runs in the root of the source tree, so that "generated/core" and "specs" are found by their names.
#
#   ptxmill_add_test(test_templates
#     SOURCES gemm_test.cpp softmax_test.cpp
#     LIBRARIES ptxmill_runtime ptxmill_reference
#     LABELS emulator gpu)

option(PTXMILL_GPU_TESTS "Let CTest run the tests labelled gpu" OFF)

function(ptxmill_add_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "SOURCES;LABELS;LIBRARIES;ENVIRONMENT")
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_SOURCES OR NOT arg_LABELS)
    message(FATAL_ERROR "ptxmill_add_test(${name}): expected SOURCES and LABELS, and no '${arg_UNPARSED_ARGUMENTS}'")
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()

  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LIBRARIES} ptxmill_test_support ptxmill_options doctest::doctest)

  set(labels "${arg_LABELS}")
  foreach(label IN LISTS labels)
    if(NOT TARGET ${label}_tests)
      add_custom_target(${label}_tests)
    endif()
    add_dependencies(${label}_tests ${name})
  endforeach()
  if("gpu" IN_LIST labels)
    set_property(GLOBAL APPEND PROPERTY PTXMILL_GPU_TESTS "$<TARGET_FILE:${name}>")
    if(NOT PTXMILL_GPU_TESTS)
      list(REMOVE_ITEM labels gpu)
    endif()
  endif()
  if("emulator" IN_LIST labels)
    if(TARGET ptxmill_emulator)
      add_dependencies(${name} ptxmill_emulator)
    else()
      list(REMOVE_ITEM labels emulator)
    endif()
  endif()

  set(list_file "${CMAKE_CURRENT_BINARY_DIR}/${name}_tests.cmake")
  add_custom_command(TARGET ${name} POST_BUILD
    COMMAND "${CMAKE_COMMAND}"
      -D "NAME=${name}" -D "EXECUTABLE=$<TARGET_FILE:${name}>" -D "OUTPUT=${list_file}"
      -D "LABELS=${labels}" -D "ENVIRONMENT=${arg_ENVIRONMENT}" -D "TIMEOUT=${arg_TIMEOUT}"
      -D "WORKING_DIRECTORY=${PROJECT_SOURCE_DIR}"
      -P "${PROJECT_SOURCE_DIR}/cmake/PtxmillDiscoverTests.cmake"
    BYPRODUCTS "${list_file}" VERBATIM)
  # CTest reads this before the executable need exist: an unbuilt test fails under its own name.
  file(WRITE "${CMAKE_CURRENT_BINARY_DIR}/${name}_include.cmake"
    "if(EXISTS \"${list_file}\")\n  include(\"${list_file}\")\n"
    "else()\n  add_test(${name}_NOT_BUILT ${name}_NOT_BUILT)\nendif()\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${CMAKE_CURRENT_BINARY_DIR}/${name}_include.cmake")
endfunction()

# Writes gpu_tests.txt: one test executable a line, relative to the build directory.
function(ptxmill_write_gpu_tests)
  get_property(executables GLOBAL PROPERTY PTXMILL_GPU_TESTS)
  set(lines "")
  foreach(executable IN LISTS executables)
    string(APPEND lines "$<PATH:RELATIVE_PATH,${executable},${PROJECT_BINARY_DIR}>\n")
  endforeach()
  file(GENERATE OUTPUT "${PROJECT_BINARY_DIR}/gpu_tests.txt" CONTENT "${lines}")
endfunction()
