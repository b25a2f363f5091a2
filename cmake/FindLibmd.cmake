# libmd: message digests (SHA-256). Defines the target Libmd::Libmd.
find_path(LIBMD_INCLUDE_DIR sha256.h)
find_library(LIBMD_LIBRARY NAMES libmd.a md)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Libmd REQUIRED_VARS LIBMD_LIBRARY LIBMD_INCLUDE_DIR)
if(Libmd_FOUND AND NOT TARGET Libmd::Libmd)
  add_library(Libmd::Libmd UNKNOWN IMPORTED)
  set_target_properties(Libmd::Libmd PROPERTIES
    IMPORTED_LOCATION "${LIBMD_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${LIBMD_INCLUDE_DIR}")
endif()
mark_as_advanced(LIBMD_INCLUDE_DIR LIBMD_LIBRARY)
