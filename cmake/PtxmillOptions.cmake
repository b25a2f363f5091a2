# Compile options shared by every target of ptxmill's own build.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
endif()

find_program(PTXMILL_CCACHE ccache)
if(PTXMILL_CCACHE AND PROJECT_IS_TOP_LEVEL)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${PTXMILL_CCACHE}")
endif()

add_library(ptxmill_options INTERFACE)
target_include_directories(ptxmill_options INTERFACE "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>")
target_compile_options(ptxmill_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
  # Designated initialisers leave the other members to their defaults, on purpose.
  -Wno-missing-field-initializers
  # GCC 12 at -O3 warns of copies inside std::string that cannot be (GCC bug 105329), and of the value
  # of a std::optional that is known to be empty there.
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<CONFIG:Release>>:-Wno-restrict>
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<CONFIG:Release>>:-Wno-maybe-uninitialized>
  $<$<BOOL:${PTXMILL_WERROR}>:-Werror>
  # Errors name files relative to the source tree, and builds do not depend on where the tree lies.
  "-fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=")
if(PTXMILL_SANITIZE)
  target_compile_options(ptxmill_options INTERFACE
    "-fsanitize=${PTXMILL_SANITIZE}" -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(ptxmill_options INTERFACE "-fsanitize=${PTXMILL_SANITIZE}")
endif()
