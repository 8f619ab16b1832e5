# The compiler's settings, for every target of the project: the language, the warnings, the hardening.
include(CheckCCompilerFlag)
include(CheckIPOSupported)

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# Empty, so that a file which defines it itself does not define it differently.
add_compile_definitions(_GNU_SOURCE=)

add_compile_options(
  -Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes
  -Wold-style-definition -Wvla -Wformat=2 -Wundef -Wpointer-arith -Wwrite-strings -Wimplicit-fallthrough)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  add_compile_options(-Wlogical-op -Wduplicated-cond -Wformat-signedness)
endif()
if(STATEGATE_WERROR)
  add_compile_options(-Werror)
endif()

add_compile_options(-fstack-protector-strong -fno-omit-frame-pointer)
check_c_compiler_flag(-fstack-clash-protection SG_HAVE_STACK_CLASH_PROTECTION)
if(SG_HAVE_STACK_CLASH_PROTECTION)
  add_compile_options(-fstack-clash-protection)
endif()
# Exists on x86 only.
check_c_compiler_flag(-fcf-protection SG_HAVE_CF_PROTECTION)
if(SG_HAVE_CF_PROTECTION)
  add_compile_options(-fcf-protection)
endif()
add_link_options(-pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)

if(STATEGATE_SANITIZE)
  add_compile_options(-fsanitize=${STATEGATE_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${STATEGATE_SANITIZE} -fno-sanitize-recover=all)
elseif(CMAKE_BUILD_TYPE MATCHES "Rel")
  # Needs an optimised build, and hides from the sanitizers what they look for.
  add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
