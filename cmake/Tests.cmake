# What the test folders' CMakeLists.txt are written with. A test is named LABEL/NAME and bears that label.
#
# Its source may hold lines in a comment:
#   ctest-timeout: SECONDS   300 otherwise
#   ctest-serial             no other test runs beside it
#   ctest-threads: [NAME=VALUE]...   the label `threads` too: `scripts/test` runs it with the thread sanitizer as well, and
#                            then with these variables, as that is several times slower

# What every test runs with. The sanitizers' findings end a test.
set(SG_TEST_ENVIRONMENT
  "SG_SOURCE_DIR=${PROJECT_SOURCE_DIR}"
  "ASAN_OPTIONS=strict_string_checks=1:detect_stack_use_after_return=1"
  "UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1"
  "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1")

# sg_add_test(LABEL NAME FILE COMMAND...)
function(sg_add_test label name file)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  set(timeout 300)
  file(STRINGS ${file} line REGEX "ctest-timeout: *[0-9]+" LIMIT_COUNT 1)
  if(line)
    string(REGEX REPLACE ".*ctest-timeout: *([0-9]+).*" "\\1" timeout "${line}")
  endif()
  set(serial OFF)
  file(STRINGS ${file} line REGEX "ctest-serial" LIMIT_COUNT 1)
  if(line)
    set(serial ON)
  endif()
  set(labels ${label})
  set(variables)
  file(STRINGS ${file} line REGEX "ctest-threads:" LIMIT_COUNT 1)
  if(line)
    list(APPEND labels threads)
    if(STATEGATE_SANITIZE STREQUAL "thread")
      string(REGEX MATCHALL "[A-Z_]+=[^ ]+" variables "${line}")
    endif()
  endif()
  add_test(NAME ${label}/${name} COMMAND ${ARGN} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}/tests)
  set_tests_properties(${label}/${name} PROPERTIES
    LABELS "${labels}" TIMEOUT ${timeout} RUN_SERIAL ${serial} ENVIRONMENT "${SG_TEST_ENVIRONMENT};${variables}")
endfunction()

# sg_c_tests(LABEL PREFIX): every PREFIX*.c of the folder and below is one program and one test. Other *.c there, and
# those of tests/support, are linked to all of them.
function(sg_c_tests label prefix)
  file(GLOB_RECURSE tests CONFIGURE_DEPENDS ${prefix}*.c)
  file(GLOB_RECURSE support CONFIGURE_DEPENDS *.c ${PROJECT_SOURCE_DIR}/tests/support/*.c)
  list(REMOVE_ITEM support ${tests})
  foreach(source IN LISTS tests)
    cmake_path(GET source STEM name)
    add_executable(${name} ${source} ${support})
    target_link_libraries(${name} PRIVATE sg_server sg_projector sg_api sg_store sg_core deps::cmocka)
    sg_add_test(${label} ${name} ${source} $<TARGET_FILE:${name}>)
  endforeach()
endfunction()

# sg_node_tests(LABEL): every *.test.mjs of the folder is one test, run by Node's own test runner.
function(sg_node_tests label)
  find_program(SG_NODE NAMES node nodejs)
  if(NOT SG_NODE)
    message(FATAL_ERROR "node was not found. Run scripts/setup first, or configure with -D STATEGATE_TESTS=OFF.")
  endif()
  set(release ${PROJECT_SOURCE_DIR}/build/release)
  set(deps ${PROJECT_SOURCE_DIR}/.deps/bin)
  file(GLOB tests CONFIGURE_DEPENDS *.test.mjs)
  foreach(file IN LISTS tests)
    cmake_path(GET file FILENAME name)
    string(REGEX REPLACE "\\.test\\.mjs$" "" name ${name})
    sg_add_test(${label} ${name} ${file} ${SG_NODE} --test --test-reporter=spec ${file})
    set_property(TEST ${label}/${name} APPEND PROPERTY ENVIRONMENT
      "STATEGATE_BIN=$<TARGET_FILE:stategate>" "STATEGATE_FEED_BIN=$<TARGET_FILE:stategate-feed>"
      "STATEGATE_INTEGRITY_BIN=$<TARGET_FILE:integrity>"
      "STATEGATE_RELEASE_BIN=${release}/stategate" "STATEGATE_RELEASE_FEED_BIN=${release}/stategate-feed"
      "NATS_SERVER_BIN=${deps}/nats-server" "NATS_SERVER_NEWEST_BIN=${deps}/nats-server-newest"
      "PROMTOOL_BIN=${deps}/promtool")
    # A file without a test in it counts as one that passed, named after the file.
    set_tests_properties(${label}/${name} PROPERTIES FAIL_REGULAR_EXPRESSION "✔ [^\n]*\\.test\\.mjs \\(")
  endforeach()
endfunction()
