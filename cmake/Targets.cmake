# What the folders' CMakeLists.txt are written with.

set(SG_GENERATED_DIR ${PROJECT_BINARY_DIR}/generated)

# sg_library(NAME [ONLY FILE... | EXCEPT PATH...] [LINK LIBRARY...]): a static library of the *.c in the folder and below
# it, or of those files alone, or without those whose path in the folder begins with PATH. Includes are written from the
# root: #include "core/base/buffer.h".
function(sg_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "ONLY;EXCEPT;LINK")
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.c)
  if(arg_ONLY)
    set(sources ${arg_ONLY})
  endif()
  foreach(path IN LISTS arg_EXCEPT)
    list(FILTER sources EXCLUDE REGEX "^${CMAKE_CURRENT_SOURCE_DIR}/${path}")
  endforeach()
  add_library(${name} STATIC ${sources})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR} ${SG_GENERATED_DIR})
  target_link_libraries(${name} PUBLIC ${arg_LINK} Threads::Threads)
endfunction()

# sg_program(NAME SOURCES FILE... LINK LIBRARY...): an executable at the top of the build folder.
function(sg_program name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINK")
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR} ${SG_GENERATED_DIR})
  target_link_libraries(${name} PRIVATE ${arg_LINK} Threads::Threads)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
  install(TARGETS ${name} RUNTIME DESTINATION bin)
endfunction()

# sg_embed(TARGET FILE SYMBOL): puts FILE's bytes into TARGET as `const unsigned char SYMBOL[]`, followed by a NUL,
# and `const size_t SYMBOL_bytes` (the NUL not counted). The header that declares them is written by hand.
function(sg_embed target file symbol)
  set(output ${SG_GENERATED_DIR}/${symbol}.c)
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -D INPUT=${file} -D OUTPUT=${output} -D SYMBOL=${symbol}
            -P ${PROJECT_SOURCE_DIR}/cmake/Embed.cmake
    DEPENDS ${file} ${PROJECT_SOURCE_DIR}/cmake/Embed.cmake
    COMMENT "Embedding ${file}" VERBATIM)
  target_sources(${target} PRIVATE ${output})
endfunction()

# core/version.h: the version, which stands in the top CMakeLists.txt alone.
function(sg_write_version_header)
  file(CONFIGURE OUTPUT ${SG_GENERATED_DIR}/core/version.h @ONLY CONTENT
"/* The version of this build. Generated from CMakeLists.txt. */
#ifndef SG_CORE_VERSION_H
#define SG_CORE_VERSION_H

#define STATEGATE_VERSION \"@PROJECT_VERSION@\"

#endif
")
endfunction()
