# What is installed where. Three components, each of use without the others:
#
#   runtime    libraries to link, the headers, ptxmill-doctor
#   generator  the program ptxmill, what ptxmill_add_generator links, specs
#   emulator   the emulated driver
#
# Nothing that is installed names a directory of the build, so that an installation can be moved.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

option(PTXMILL_INSTALL "Have install rules" ${PROJECT_IS_TOP_LEVEL})
set(PTXMILL_CONFIG_DIR "${CMAKE_INSTALL_LIBDIR}/cmake/ptxmill")
set(PTXMILL_HEADER_DIR "${CMAKE_INSTALL_INCLUDEDIR}/ptxmill")

# ptxmill_install(<component> <target>...): targets that find_package(ptxmill) will offer.
function(ptxmill_install component)
  if(NOT PTXMILL_INSTALL)
    return()
  endif()
  install(TARGETS ${ARGN} EXPORT ptxmill_${component}
    RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT ${component}
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT ${component}
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT ${component})
  set_property(GLOBAL APPEND PROPERTY PTXMILL_COMPONENTS ${component})
endfunction()

# ptxmill_install_headers(<component> <file>...): files of the current directory, below include/ptxmill as
# below the root of the tree.
function(ptxmill_install_headers component)
  if(NOT PTXMILL_INSTALL)
    return()
  endif()
  foreach(file IN LISTS ARGN)
    cmake_path(ABSOLUTE_PATH file)
    cmake_path(RELATIVE_PATH file BASE_DIRECTORY "${PROJECT_SOURCE_DIR}" OUTPUT_VARIABLE place)
    cmake_path(GET place PARENT_PATH place)
    install(FILES "${file}" DESTINATION "${PTXMILL_HEADER_DIR}/${place}" COMPONENT ${component})
  endforeach()
endfunction()

# Called when every target is there: what find_package(ptxmill) reads.
function(ptxmill_install_package)
  if(NOT PTXMILL_INSTALL)
    return()
  endif()
  get_property(components GLOBAL PROPERTY PTXMILL_COMPONENTS)
  list(REMOVE_DUPLICATES components)
  set(config "${PROJECT_BINARY_DIR}/package/ptxmillConfig.cmake")
  set(version "${PROJECT_BINARY_DIR}/package/ptxmillConfigVersion.cmake")
  configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/ptxmillConfig.cmake.in" "${config}"
    INSTALL_DESTINATION "${PTXMILL_CONFIG_DIR}"
    PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_DATADIR)
  write_basic_package_version_file("${version}" COMPATIBILITY SameMinorVersion)
  foreach(component IN LISTS components)
    install(EXPORT ptxmill_${component} NAMESPACE ptxmill:: DESTINATION "${PTXMILL_CONFIG_DIR}"
      COMPONENT ${component})
    install(FILES "${config}" "${version}" "${PROJECT_SOURCE_DIR}/cmake/PtxmillKernels.cmake"
      DESTINATION "${PTXMILL_CONFIG_DIR}" COMPONENT ${component})
    install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}" COMPONENT ${component})
    # The static libraries use it; with it beside them, a machine that builds against them needs no libmd.
    if(component MATCHES "runtime|generator" AND LIBMD_LIBRARY MATCHES "[.]a$")
      file(REAL_PATH "${LIBMD_LIBRARY}" libmd)
      install(FILES "${libmd}" DESTINATION "${CMAKE_INSTALL_LIBDIR}/ptxmill" RENAME libmd.a COMPONENT ${component})
      install(FILES /usr/share/doc/libmd-dev/copyright DESTINATION "${CMAKE_INSTALL_DOCDIR}"
        RENAME libmd.copyright COMPONENT ${component} OPTIONAL)
    endif()
  endforeach()
  install(DIRECTORY "${PROJECT_SOURCE_DIR}/specs" DESTINATION "${CMAKE_INSTALL_DATADIR}/ptxmill"
    COMPONENT generator FILES_MATCHING PATTERN "*.json")
endfunction()
