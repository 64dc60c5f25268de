#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    attn_tests::entry::gate_toml(bytes);
});
