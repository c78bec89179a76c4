// What crosses from Python to the decoder, field by field as in `binding.py`. Plain C layout.
#pragma once
#include <cstdint>

extern "C" {

// A weight matrix of `rows` outputs and `cols` inputs, quantized in groups of 32 inputs (see
// nn/quantize.py for the layout): blocks of 16 rows, so that a vector holds one row in each lane.
struct Matrix {
    const uint8_t* values;   // [row blocks, groups, bits, 16, 4]
    const uint16_t* scales;  // [row blocks, groups, 16] half precision
    const uint16_t* mins;    // the same, for 4 bits; null for 8
    const float* bias;       // [row blocks * 16] or null
    int32_t rows, cols, bits;
};

struct Layer {
    Matrix query_key_value, output, gate_up, down;
    const float *attention_norm, *network_norm;            // [D]
    const float *query_norm, *key_norm;                    // [E] or null
    const float *attention_post_norm, *network_post_norm;  // [D] or null
    const float *cos, *sin;                                // [positions, E / 2]
    int64_t window;                                        // tokens that a token sees; 0 for all
};

struct Model {
    int32_t layers, hidden, heads, kv_heads, head_dim, intermediate, vocab;
    int32_t cache_bits;  // 16 for half precision, 8
    int32_t gelu;        // whether gates go through GELU (tanh form) rather than SiLU
    float eps, embedding_multiplier, query_scale;
    const float* norm;  // [D]
    Matrix embedding, head;
    const Layer* layer;
};

// N new tokens of R rows. Tokens of a row are neighbors, in order of position.
struct Batch {
    int32_t tokens, rows, table_width, outputs;
    int32_t blocks;                // of the cache
    const int64_t* token_ids;      // [N]
    const int64_t* positions;      // [N]
    const int32_t* row_starts;     // [R + 1]
    const int32_t* tables;         // [R, table_width] blocks of each row
    const int32_t* output_tokens;  // [outputs] tokens whose logits are wanted, rising
    float* logits;                 // [outputs, V]
    void* const* keys;             // [layers] -> [K, blocks, ...], see attention.hpp
    void* const* values;
    uint8_t* scratch;  // autogpt_scratch_bytes, at a multiple of 64
};

// How threads are had: `start(call, argument, threads, 0)` runs `call(argument)` in a team of up
// to so many threads, each of which knows its `index` and the team's `size`. Null: by ourselves.
struct Team {
    void (*start)(void (*call)(void*), void* argument, unsigned threads, unsigned flags);
    int (*index)();
    int (*size)();
    int32_t threads;
};

#define API __attribute__((visibility("default")))
API int autogpt_supported();  // whether this processor has the instructions that were compiled
API long autogpt_scratch_bytes(const Model*, const Batch*);
API long autogpt_block_bytes(const Model*, int of_values);  // of one layer and head
API void autogpt_run(const Model*, const Batch*, const Team*);
}
