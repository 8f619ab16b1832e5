/* core/nkey: the public half of a user seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "projector/nats/nkey.h"

/* A pair made with another implementation of nkeys. */
static void the_public_key_follows_from_the_seed(void **state)
{
    (void)state;
    char key[NKEY_PUBLIC_BYTES];
    struct sg_error err;
    assert_int_equal(nkey_public("SUAF73KKA72TS4KELI4KXKJZQAQLKPNUKUEMN4OOFOSGJCIATTH4ZB3BA4", key, &err), SG_OK);
    assert_string_equal(key, "UAWPONXM2YGVHY46M3ZOK6RQPKWUHR75TAPDKP6LVSL5YLPLI2BPFS6D");
}

static void what_is_no_user_seed_is_refused_without_being_shown(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "SU",
        "UAWPONXM2YGVHY46M3ZOK6RQPKWUHR75TAPDKP6LVSL5YLPLI2BPFS6D",
        "SAAOA64MOWP7HNN5I643OF7VSSUYYY77YK7M5M3C237TNJY6C26PMNP6YM",
        "SUAF73KKA72TS4KELI4KAKJZQAQLKPNUKUEMN4OOFOSGJCIATTH4ZB3BA4",
        "SUAF73KKA72TS4KELI4KXKJZQAQLKPNUKUEMN4OOFOSGJCIATTH4ZB3BA4A",
        "SU1000000000000000000000000000000000000000000000000000000000",
    };
    char key[NKEY_PUBLIC_BYTES];
    struct sg_error err;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(nkey_public(bad[i], key, &err), SG_INVALID);
        assert_true(bad[i][0] == '\0' || strlen(bad[i]) < 3 || strstr(err.message, bad[i]) == NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_public_key_follows_from_the_seed),
        cmocka_unit_test(what_is_no_user_seed_is_refused_without_being_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
