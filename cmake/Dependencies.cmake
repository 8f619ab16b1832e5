# Finds the foreign libraries, those that scripts/setup put into .deps/ first, and names them deps::*.
#
# Their headers are system headers to the compiler: the project's warnings are for the project's code.
find_package(Threads REQUIRED)

set(SG_DEPS_PREFIX "${PROJECT_SOURCE_DIR}/.deps/prefix" CACHE PATH "Where scripts/setup puts libraries")

# sg_dependency(NAME HEADER LIBRARY...): deps::NAME from a header and the first of the libraries that exists.
function(sg_dependency name header)
  find_path(SG_${name}_INCLUDE ${header} HINTS ${SG_DEPS_PREFIX}/include NO_CACHE)
  find_library(SG_${name}_LIBRARY NAMES ${ARGN} HINTS ${SG_DEPS_PREFIX}/lib NO_CACHE)
  if(NOT SG_${name}_INCLUDE OR NOT SG_${name}_LIBRARY)
    message(FATAL_ERROR "${name} (${header}) was not found. Run scripts/setup first: it installs everything that the build needs.")
  endif()
  add_library(deps::${name} UNKNOWN IMPORTED GLOBAL)
  set_target_properties(deps::${name} PROPERTIES
    IMPORTED_LOCATION ${SG_${name}_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${SG_${name}_INCLUDE})
  set(SG_${name}_INCLUDE ${SG_${name}_INCLUDE} PARENT_SCOPE)
  message(STATUS "${name}: ${SG_${name}_LIBRARY}")
endfunction()

sg_dependency(sqlite sqlite3.h sqlite3)
sg_dependency(yyjson yyjson.h yyjson)
sg_dependency(nats nats/nats.h nats)
sg_dependency(yaml yaml.h yaml)
sg_dependency(zlib zlib.h z)
sg_dependency(zstd zstd.h zstd)
sg_dependency(gnutls gnutls/gnutls.h gnutls)
# Static, so that the program carries the release that it was built for.
sg_dependency(microhttpd microhttpd.h libmicrohttpd.a microhttpd)
target_link_libraries(deps::microhttpd INTERFACE deps::gnutls Threads::Threads)

# Older releases lose connections, answer wrongly once a connection was resumed, and write outside their buffers.
file(STRINGS ${SG_microhttpd_INCLUDE}/microhttpd.h sg_line REGEX "^#define MHD_VERSION 0x")
string(REGEX REPLACE ".*(0x[0-9a-fA-F]+).*" "\\1" sg_mhd_version "${sg_line}")
math(EXPR sg_mhd_version "${sg_mhd_version}")
math(EXPR sg_mhd_version_min "0x01001000")
if(sg_mhd_version LESS sg_mhd_version_min)
  message(FATAL_ERROR "libmicrohttpd 1.0.10 or newer is needed, and ${SG_microhttpd_INCLUDE} has an older one. Run scripts/setup.")
endif()

if(STATEGATE_TESTS)
  sg_dependency(cmocka cmocka.h cmocka)
endif()
