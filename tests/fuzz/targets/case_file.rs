#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    attn_tests::entry::case_file(bytes);
});
