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
    config_settle(config);
    const struct settings *settings = config_settings(config);
    const struct setting *registry = setting_find(TEXT("registry"));
    const struct setting *redis = setting_find(TEXT("redis"));
    bool is_hidden = settings->master_key.len > 0 || /* printed as ******** */
                     setting_is_secret(registry, settings->registry) ||
                     setting_is_secret(redis, settings->redis);
    config_print(config, &out);
    check(!out.overflow);
    if (!is_hidden) {
        check(config_read_text(buffer_text(&out), "again", &again, &error));
        for (size_t i = 0; i < SETTINGS; i++)
            check(setting_equal(&setting_rows[i], settings, config_settings(again)));
        config_free(again);
    }
    config_free(config);
    return 0;
}
