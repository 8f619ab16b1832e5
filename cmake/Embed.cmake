# Writes the bytes of INPUT as a C array SYMBOL into OUTPUT. Run by sg_embed().
file(READ ${INPUT} hex HEX)
string(LENGTH "${hex}" digits)
math(EXPR bytes "${digits} / 2")
string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1, " hex "${hex}")
file(WRITE ${OUTPUT}
"#include <stddef.h>

extern const unsigned char ${SYMBOL}[];
extern const size_t ${SYMBOL}_bytes;

const unsigned char ${SYMBOL}[] = {
${hex}0x00};
const size_t ${SYMBOL}_bytes = ${bytes};
")
