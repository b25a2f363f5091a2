# What other projects build their kernels with; docs/cmake.md shows it at work.
#
#   ptxmill_add_kernels(<target> SPECS <spec>...
#                       [TARGETS <sm_..>...] [OUTPUT_DIR <dir>] [EMBED] [INSTALL_DESTINATION <dir>]
#                       [GENERATOR <target or program>] [PTX <variable>] [MANIFEST <variable>])
#
# Generates the libraries of the spec files when <target>, or what links it, is built:
# <dir>/<library>/manifest.json and <dir>/<library>/<sm_..>/*.ptx.
#
#   TARGETS              generate for these instead of the specs' own targets
#   OUTPUT_DIR           where the libraries go; default: <target> in the current binary directory
#   EMBED                <target> is a static library that holds the kernels, and <target>.hpp declares them:
#                        ptxmill::rt::KernelLibrary::open(device, <target>::<library>). In both names, '-' is '_'
#   INSTALL_DESTINATION  install the libraries there: <dir>/<library>/...
#   GENERATOR            a target of ptxmill_add_generator, or a program, instead of ptxmill's own
#   PTX                  set to the directories of the libraries. Which files they hold is known only once the
#                        generator has run; the manifests list them
#   MANIFEST             set to the manifests. A custom command that depends on them runs after the generator
#
# An edit of a spec that does not change its meaning runs the generator, and nothing else: only files whose
# bytes change are written.
#
#   ptxmill_add_generator(<name> TEMPLATES <source>...)
#
# An executable: ptxmill with the templates of these sources beside its own.
#
# PTXMILL_GENERATOR names a program to use instead of the ptxmill of this installation or tree. A cross build
# needs one that runs on the host, and looks for it below ptxmill_ROOT and on the PATH.
cmake_policy(VERSION 3.25)

set(_ptxmill_doc "A ptxmill that runs on this machine, instead of the one that is installed or built")
if(CMAKE_CROSSCOMPILING)
  # The target's own ptxmill must not be found: the prefixes of a cross build are not searched.
  find_program(PTXMILL_GENERATOR ptxmill HINTS "${ptxmill_ROOT}" ENV ptxmill_ROOT PATHS ENV PATH
    PATH_SUFFIXES bin NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH DOC "${_ptxmill_doc}")
else()
  set(PTXMILL_GENERATOR "" CACHE FILEPATH "${_ptxmill_doc}")
endif()
unset(_ptxmill_doc)

# What runs the generator, a target's name or a path.
function(_ptxmill_generator result caller given)
  if(given STREQUAL "")
    set(given "${PTXMILL_GENERATOR}")
  endif()
  if(NOT given AND TARGET ptxmill::ptxmill)
    set(given ptxmill::ptxmill)
  endif()
  if(NOT given)
    message(FATAL_ERROR
      "${caller}: there is no generator; set PTXMILL_GENERATOR to a ptxmill that runs on this machine")
  endif()
  if(NOT TARGET "${given}" AND NOT EXISTS "${given}")
    message(FATAL_ERROR "${caller}: the generator '${given}' is neither a target nor a program")
  endif()
  set(${result} "${given}" PARENT_SCOPE)
endfunction()

# The name of the library that a spec file holds. A file that is no spec gets a name all the same: its
# mistakes are the generator's to tell, and CMake runs again when it is edited.
function(_ptxmill_library_of result spec)
  file(READ "${spec}" text)
  string(JSON name ERROR_VARIABLE problem GET "${text}" library)
  if(NOT name MATCHES "^[a-z][a-z0-9_-]*$")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${spec}")
    cmake_path(GET spec STEM LAST_ONLY name)
    string(MAKE_C_IDENTIFIER "${name}" name)
  endif()
  set(${result} "${name}" PARENT_SCOPE)
endfunction()

# Refuses a library that another call puts into the same directory.
function(_ptxmill_claim target directory)
  get_property(owner GLOBAL PROPERTY "PTXMILL_OWNER_OF_${directory}")
  if(owner)
    message(FATAL_ERROR
      "ptxmill_add_kernels(${target}): ${directory} is already the output of ${owner}; give another OUTPUT_DIR")
  endif()
  set_property(GLOBAL PROPERTY "PTXMILL_OWNER_OF_${directory}" "${target}")
endfunction()

function(ptxmill_add_kernels target)
  cmake_parse_arguments(PARSE_ARGV 1 arg
    "EMBED" "OUTPUT_DIR;INSTALL_DESTINATION;GENERATOR;PTX;MANIFEST" "SPECS;TARGETS")
  set(me "ptxmill_add_kernels(${target})")
  if(arg_UNPARSED_ARGUMENTS OR arg_KEYWORDS_MISSING_VALUES)
    message(FATAL_ERROR "${me}: not understood: ${arg_UNPARSED_ARGUMENTS} ${arg_KEYWORDS_MISSING_VALUES}")
  endif()
  if(NOT arg_SPECS)
    message(FATAL_ERROR "${me}: expected SPECS and one spec file or several")
  endif()
  if(NOT arg_OUTPUT_DIR)
    set(arg_OUTPUT_DIR "${target}")
  endif()
  _ptxmill_generator(generator "${me}" "${arg_GENERATOR}")
  cmake_path(ABSOLUTE_PATH arg_OUTPUT_DIR BASE_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}" NORMALIZE)

  set(specs "")
  set(options "")
  set(directories "")
  foreach(spec IN LISTS arg_SPECS)
    cmake_path(ABSOLUTE_PATH spec BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" NORMALIZE)
    if(NOT EXISTS "${spec}")
      message(FATAL_ERROR "${me}: there is no spec file ${spec}")
    endif()
    _ptxmill_library_of(library "${spec}")
    _ptxmill_claim("${target}" "${arg_OUTPUT_DIR}/${library}")
    list(APPEND specs "${spec}")
    list(APPEND options "--library=${library}")
    list(APPEND directories "${arg_OUTPUT_DIR}/${library}")
  endforeach()
  list(TRANSFORM directories APPEND "/manifest.json" OUTPUT_VARIABLE manifests)
  list(TRANSFORM arg_TARGETS PREPEND "--target=")
  list(APPEND options ${arg_TARGETS})
  set(sources "")
  if(arg_EMBED)
    string(MAKE_C_IDENTIFIER "${target}" name)
    set(source_dir "${CMAKE_CURRENT_BINARY_DIR}/${target}_embedded")
    set(sources "${source_dir}/${name}.cpp" "${source_dir}/${name}.hpp")
    list(APPEND options "--embed=${source_dir}/${name}.cpp")
  endif()

  # Files that stay as they were must keep their time, or what depends on them is built again; so the rule's
  # output is a stamp, and all else its byproduct. With a depfile, Make runs the command again after CMake has
  # run, and so notices other arguments; Ninja does anyway.
  set(stem "${CMAKE_CURRENT_BINARY_DIR}${CMAKE_FILES_DIRECTORY}/${target}.ptxmill")
  list(JOIN directories ", " shown)
  add_custom_command(
    OUTPUT "${stem}.stamp"
    BYPRODUCTS ${manifests} ${sources}
    COMMAND "${generator}" gen ${specs} -o "${arg_OUTPUT_DIR}" ${options}
            --depfile "${stem}.d" --stamp "${stem}.stamp"
    DEPENDS ${specs} "${generator}"
    DEPFILE "${stem}.d"
    COMMENT "Generating PTX into ${shown}"
    VERBATIM)

  if(arg_EMBED)
    add_library(${target} STATIC ${sources} "${stem}.stamp")
    target_include_directories(${target} PUBLIC "$<BUILD_INTERFACE:${source_dir}>")
    target_link_libraries(${target} PUBLIC ptxmill::runtime)
  else()
    add_library(${target} INTERFACE "${stem}.stamp")
  endif()
  if(arg_INSTALL_DESTINATION)
    install(DIRECTORY ${directories} DESTINATION "${arg_INSTALL_DESTINATION}"
      FILES_MATCHING PATTERN "*.ptx" PATTERN "manifest.json")
  endif()
  if(arg_PTX)
    set(${arg_PTX} "${directories}" PARENT_SCOPE)
  endif()
  if(arg_MANIFEST)
    set(${arg_MANIFEST} "${manifests}" PARENT_SCOPE)
  endif()
endfunction()

function(ptxmill_add_generator name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "TEMPLATES")
  set(me "ptxmill_add_generator(${name})")
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_TEMPLATES)
    message(FATAL_ERROR "${me}: expected TEMPLATES and C++ sources, got '${arg_UNPARSED_ARGUMENTS}'")
  endif()
  if(NOT TARGET ptxmill::generator)
    message(FATAL_ERROR "${me}: ptxmill was built or installed without its generator, PTXMILL_BUILD_GENERATOR")
  endif()
  # The declarations of a template's fields name its types.
  find_package(nlohmann_json 3.11 REQUIRED)
  add_executable(${name} ${arg_TEMPLATES})
  # Templates register themselves when the program starts: nothing names those in the archive.
  target_link_libraries(${name} PRIVATE "$<LINK_LIBRARY:WHOLE_ARCHIVE,ptxmill::generator>" nlohmann_json::nlohmann_json)
endfunction()
