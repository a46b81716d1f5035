/* Any bytes as a configuration file: refused, or printed so that it reads back the same. */
#include "config/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char memory[1 << 17];
    struct buffer out = buffer_over(memory, sizeof(memory));
    struct config *config, *again;
    struct error error;
    if (!config_read_text((struct text){(const char *)data, size}, "fuzz", &config, &error))
        return 0;
    bool has_key = config_settings(config)->master_key.len > 0; /* printed as ******** */
    config_settle(config);
    config_print(config, &out);
    check(!out.overflow);
    if (!has_key) {
        check(config_read_text(buffer_text(&out), "again", &again, &error));
        for (size_t i = 0; i < SETTINGS; i++)
            check(setting_equal(&setting_rows[i], config_settings(config), config_settings(again)));
        config_free(again);
    }
    config_free(config);
    return 0;
}
