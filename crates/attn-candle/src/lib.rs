//! Attention over candle: composed ops and candle-nn's fused CPU kernel
