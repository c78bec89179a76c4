// Attention over keys and values that lie in blocks of 16 tokens, found through a row's table.
//
// Keys and values are kept in half precision or in 8 bits, in an order in which a vector holds 16 tokens
// (keys) or 16 numbers (values), so that no sum ever crosses lanes.
//
// A context is cut into spans of 512 tokens that are computed apart and joined in order, so that
// one long row keeps several threads busy. A query's result is the same, bit by bit, whatever
// queries are computed beside it, and however many threads there are.
// Source: Dao et al. 2023, "Flash-Decoding"; Kwon et al. 2023, "PagedAttention".
#pragma once
#include "products.hpp"
#include "vectors.hpp"

namespace {

constexpr int BLOCK = 16;
constexpr int SPAN = 512;
constexpr int WIDEST_HEAD = 256;

// Up to QUERIES queries that read the same keys; each sees the tokens from `first` to `last`.
struct Queries {
    const void* query[QUERIES];  // as the cache wants it, scaled by 1 / sqrt(E)
    long first[QUERIES], last[QUERIES];
    float* partial[QUERIES];  // [E + 2]: weighted sum of values, largest score, sum of weights
    int count;
};

// One layer's blocks, as one row and one key/value head sees them. A head's blocks follow each
// other, so that the processor fetches ahead by itself where a row's do.
struct Pages {
    uint8_t *keys, *values;
    const int32_t* table;
    long blocks, kv_head, head_dim;

    uint8_t* key_block(long i, long bytes) const { return keys + place(i) * bytes; }
    uint8_t* value_block(long i, long bytes) const { return values + place(i) * bytes; }
    // The block of keys that holds a token, or the block of values as far behind the end: what is
    // read next.
    const uint8_t* ahead(long token, long begin, long end, long key_bytes, long value_bytes) const {
        if (token < end) return key_block(token / BLOCK, key_bytes);
        token = begin + token - end;
        return value_block((token < end ? token : begin) / BLOCK, value_bytes);
    }
    long place(long i) const { return kv_head * blocks + table[i]; }
};

// Work on several blocks, or parts of a value, at once when queries are few: else each addition
// would wait for the one before. No result depends on it.
constexpr int at_once(int queries) {
    return QUERIES < 12 ? 1 : queries <= 3 ? 4 : queries <= 6 ? 2 : 1;
}

// Ask for a line that is wanted soon: into the second-level cache, because the first is full of
// what is computed with.
inline void fetch(const uint8_t* line) { __builtin_prefetch(line, 0, 2); }

// ------------------------------------------------------------------------ cache in half precision

struct HalfCache {
    // keys [E][16 tokens], values [16 tokens][E]
    static long key_bytes(long head_dim) { return 2 * BLOCK * head_dim; }
    static long value_bytes(long head_dim) { return 2 * BLOCK * head_dim; }
    static long query_bytes(long head_dim) { return head_dim * long(sizeof(float)); }

    static void put_query(void* place, const float* v, long head_dim) {
        std::memcpy(place, v, size_t(query_bytes(head_dim)));
    }

    static void put_key(uint8_t* block, long slot, const float* v, long head_dim) {
        auto target = reinterpret_cast<uint16_t*>(block) + slot;
        for (long e = 0; e < head_dim; ++e) target[e * BLOCK] = to_half(v[e]);
    }

    static void put_value(uint8_t* block, long slot, const float* v, long head_dim) {
        auto target = reinterpret_cast<uint16_t*>(block) + slot * head_dim;
        for (long e = 0; e < head_dim; ++e) target[e] = to_half(v[e]);
    }

    template <int Q, int U>
    static void score(const float* words, const Pages& pages, long begin, long token, long end,
                      float* scores) {
        const long bytes = key_bytes(pages.head_dim);
        const uint8_t *keys[U], *next[U];
        Floats even[U][Q], odd[U][Q];
        for (int u = 0; u < U; ++u) {
            const long ahead = token + (2 * U + u) * BLOCK;
            keys[u] = pages.key_block(token / BLOCK + u, bytes);
            next[u] = pages.ahead(ahead, begin, end, bytes, bytes);
            for (int i = 0; i < Q; ++i) even[u][i] = odd[u][i] = splat(0.0f);
        }
        for (long e = 0; e < pages.head_dim; e += 2)
            for (int u = 0; u < U; ++u) {
                fetch(next[u] + e * 2 * BLOCK);
                auto key = reinterpret_cast<const uint16_t*>(keys[u]) + e * BLOCK;
                Floats a = halves(key), b = halves(key + BLOCK);
                const float* query = words + e * Q;
                for (int i = 0; i < Q; ++i) {
                    even[u][i] = fma(a, splat(query[i]), even[u][i]);
                    odd[u][i] = fma(b, splat(query[Q + i]), odd[u][i]);
                }
            }
        for (int u = 0; u < U; ++u)
            for (int i = 0; i < Q; ++i)
                store(scores + i * SPAN + u * BLOCK, even[u][i] + odd[u][i]);
    }

    template <int Q> struct Weights {
        const float* of_query;  // [Q][SPAN]

        Weights(const Pages&, long, long, float* weights) : of_query(weights) {}
    };

    template <int Q, int U>
    static void mix(const Queries& q, const Pages& pages, long begin, long end, long e,
                    const Weights<Q>& weights) {
        const long bytes = value_bytes(pages.head_dim), row = 4 * pages.head_dim;  // of two tokens
        Floats even[U][Q], odd[U][Q];
        for (int u = 0; u < U; ++u)
            for (int i = 0; i < Q; ++i) even[u][i] = odd[u][i] = splat(0.0f);
        for (long token = begin; token < end; token += BLOCK) {
            const uint8_t* v = pages.value_block(token / BLOCK, bytes) + 2 * e;
            const long ahead = token + 4 * BLOCK < end ? token + 4 * BLOCK : token;
            const uint8_t* next = pages.value_block(ahead / BLOCK, bytes) + 4 * e;
            const float* w = weights.of_query + token - begin;
            for (int pair = 0; pair < BLOCK; pair += 2, v += row, next += row)
                for (int u = 0; u < U; ++u) {
                    fetch(next + u * 4 * LANES);
                    auto value = reinterpret_cast<const uint16_t*>(v) + u * LANES;
                    Floats a = halves(value), b = halves(value + pages.head_dim);
                    for (int i = 0; i < Q; ++i) {
                        even[u][i] = fma(a, splat(w[i * SPAN + pair]), even[u][i]);
                        odd[u][i] = fma(b, splat(w[i * SPAN + pair + 1]), odd[u][i]);
                    }
                }
        }
        for (int u = 0; u < U; ++u)
            for (int i = 0; i < Q; ++i)
                store(q.partial[i] + e + u * LANES, even[u][i] + odd[u][i]);
    }
};

// ------------------------------------------------------------------------ cache in 8 bits

// Half the memory: a long context is read in half the time. Keys have a scale for each 32
// numbers and are multiplied with queries of 8 bits; values have one for each token, and are
// multiplied with weights of 14 bits, in two halves.
struct Int8Cache {
    // keys [E / 4][16 tokens][4] plus 128, then scales [E / 32][16] in bf16
    static long key_bytes(long head_dim) { return padded(head_dim) * (BLOCK + 1); }
    // values [4][E][4 tokens] plus 128, then scales [16] in bf16, and room to begin the next on a
    // new line
    static long value_bytes(long head_dim) { return (padded(head_dim) * BLOCK + 95) / 64 * 64; }
    // four numbers in each of [E / 4] words, then [E / 32] scales, then as many corrections
    static long query_bytes(long head_dim) { return padded(head_dim) + 8 * groups_of(head_dim); }

    static float quantize(const float* v, long size, long filled, int8_t* bytes) {
        float largest = 0;
        for (long e = 0; e < size; ++e) largest = std::fmax(largest, std::fabs(v[e]));
        const float scale = from_bf16(to_bf16(largest / 127.0f));
        const float inverse = scale > 0 ? 1.0f / scale : 0.0f;
        for (long e = 0; e < size; ++e) bytes[e] = int8_t(std::nearbyint(v[e] * inverse));
        for (long e = size; e < filled; ++e) bytes[e] = 0;
        return scale;
    }

    static void put_query(void* place, const float* v, long head_dim) {
        const long groups = groups_of(head_dim);
        auto bytes = static_cast<int8_t*>(place);
        auto scales = reinterpret_cast<float*>(bytes + groups * GROUP);
        auto corrections = reinterpret_cast<int32_t*>(scales + groups);
        for (long g = 0; g < groups; ++g) {
            scales[g] = quantize(v + g * GROUP, group_size(g, head_dim), GROUP, bytes + g * GROUP);
            int32_t sum = 0;
            for (long i = 0; i < GROUP; ++i) sum += bytes[g * GROUP + i];
            corrections[g] = -128 * sum;
        }
    }

    static void put_key(uint8_t* block, long slot, const float* v, long head_dim) {
        const long groups = groups_of(head_dim);
        auto scales = reinterpret_cast<uint16_t*>(block + groups * GROUP * BLOCK);
        for (long g = 0; g < groups; ++g) {
            int8_t bytes[GROUP];
            float scale = quantize(v + g * GROUP, group_size(g, head_dim), GROUP, bytes);
            scales[g * BLOCK + slot] = to_bf16(scale);
            for (long i = 0; i < GROUP; ++i)
                block[(g * GROUP + i) / 4 * 4 * BLOCK + slot * 4 + i % 4] = uint8_t(bytes[i] + 128);
        }
    }

    static void put_value(uint8_t* block, long slot, const float* v, long head_dim) {
        const long width = padded(head_dim);
        auto scales = reinterpret_cast<uint16_t*>(block + width * BLOCK);
        int8_t bytes[WIDEST_HEAD];
        scales[slot] = to_bf16(quantize(v, head_dim, width, bytes));
        for (long e = 0; e < width; ++e)
            block[slot / 4 * 4 * width + e * 4 + slot % 4] = uint8_t(bytes[e] + 128);
    }

    static long group_size(long g, long head_dim) {
        const long left = head_dim - g * GROUP;
        return left < GROUP ? left : GROUP;
    }

    template <int Q, int U>
    static void score(const float* words, const Pages& pages, long begin, long token, long end,
                      float* scores) {
        const long bytes = key_bytes(pages.head_dim), groups = groups_of(pages.head_dim);
        for (int u = 0; u < U; ++u, token += BLOCK) {
            const uint8_t* keys = pages.key_block(token / BLOCK, bytes);
            const uint8_t* next = pages.ahead(token + 8 * BLOCK, begin, end, bytes,
                                              value_bytes(pages.head_dim));
            auto scales = reinterpret_cast<const uint16_t*>(keys + groups * GROUP * BLOCK);
            Floats total[Q];
            for (int i = 0; i < Q; ++i) total[i] = splat(0.0f);
            for (long g = 0; g < groups; ++g) {
                Ints sum[Q];
                for (int i = 0; i < Q; ++i) sum[i] = begin8(bits(words[(groups * 9 + g) * Q + i]));
                for (int j = 0; j < GROUP / 4; ++j) {
                    fetch(next + (g * 8 + j) * 4 * BLOCK);
                    Bytes k = load_bytes(keys + (g * 8 + j) * 4 * BLOCK);
                    const float* quads = words + (g * 8 + j) * Q;
                    for (int i = 0; i < Q; ++i) sum[i] = dot8(sum[i], k, bits(quads[i]));
                }
                Floats scale = bf16s(scales + g * BLOCK);
                const float* own = words + (groups * 8 + g) * Q;
                for (int i = 0; i < Q; ++i)
                    total[i] = fma(to_floats(sum[i]), scale * splat(own[i]), total[i]);
            }
            fetch(next + groups * GROUP * BLOCK);
            fetch(pages.value_block(token / BLOCK, value_bytes(pages.head_dim)) +
                  padded(pages.head_dim) * BLOCK);  // scales of values are wanted before values
            for (int i = 0; i < Q; ++i) store(scores + i * SPAN + u * BLOCK, total[i]);
        }
    }

    static int32_t bits(float word) {
        int32_t x;
        std::memcpy(&x, &word, 4);
        return x;
    }

    // Weights times the scales of their values, as whole numbers of 14 bits, which is 128 times
    // one of 7 plus another: products of 8 bits are the fastest there are. Each 64 tokens have a
    // step of their own, because one token often weighs more than all others together.
    static constexpr int TOGETHER = 64;

    template <int Q> struct Weights {
        alignas(64) int8_t high[Q][SPAN], low[Q][SPAN];
        float step[Q][SPAN / TOGETHER];
        int32_t high_correction[Q][SPAN / TOGETHER], low_correction[Q][SPAN / TOGETHER];

        Weights(const Pages& pages, long begin, long end, float* weights) {
            const long bytes = value_bytes(pages.head_dim), width = padded(pages.head_dim);
            for (long token = begin; token < end; token += BLOCK) {
                const uint8_t* block = pages.value_block(token / BLOCK, bytes);
                Floats scale = bf16s(reinterpret_cast<const uint16_t*>(block + width * BLOCK));
                for (int i = 0; i < Q; ++i) {
                    float* place = weights + i * SPAN + token - begin;
                    store(place, load(place) * scale);
                }
            }
            const long size = end - begin;
            for (int i = 0; i < Q; ++i)
                for (long t = 0; t < size; t += TOGETHER)
                    round(weights + i * SPAN, t, size - t < TOGETHER ? size : t + TOGETHER, i);
        }

        void round(const float* weights, long begin, long end, int i) {
            Floats most = splat(0.0f);
            for (long t = begin; t < end; t += LANES) most = max(most, load(weights + t));
            const float largest = max_lanes(most);
            const float inverse = largest > 0 ? 16383.0f / largest : 0.0f;
            int32_t highs = 0, lows = 0;
            for (long t = begin; t < end; ++t) {
                const int32_t whole = int32_t(weights[t] * inverse + 0.5f);
                high[i][t] = int8_t(whole >> 7), low[i][t] = int8_t(whole & 127);
                highs += whole >> 7, lows += whole & 127;
            }
            const long group = begin / TOGETHER;
            step[i][group] = largest / 16383.0f;
            high_correction[i][group] = -128 * highs, low_correction[i][group] = -128 * lows;
        }
    };

    template <int Q, int U>
    static void mix(const Queries& q, const Pages& pages, long begin, long end, long e,
                    const Weights<Q>& weights) {
        const long bytes = value_bytes(pages.head_dim), row = 4 * padded(pages.head_dim);
        Floats total[U][Q];
        for (int u = 0; u < U; ++u)
            for (int i = 0; i < Q; ++i) total[u][i] = splat(0.0f);
        for (long token = begin; token < end;) {
            const long group = (token - begin) / TOGETHER;
            Ints high[U][Q], low[U][Q];
            for (int u = 0; u < U; ++u)
                for (int i = 0; i < Q; ++i) {
                    high[u][i] = begin8(weights.high_correction[i][group]);
                    low[u][i] = begin8(weights.low_correction[i][group]);
                }
            const long stop = end - token < TOGETHER ? end : token + TOGETHER;
            for (; token < stop; token += BLOCK) {
                const uint8_t* v = pages.value_block(token / BLOCK, bytes) + 4 * e;
                const long ahead = token + 6 * BLOCK < end ? token + 6 * BLOCK : token;
                const uint8_t* next = pages.value_block(ahead / BLOCK, bytes) + 4 * e;
                const long t = token - begin;
                for (int quad = 0; quad < BLOCK; quad += 4, v += row, next += row)
                    for (int u = 0; u < U; ++u) {
                        fetch(next + u * 4 * LANES);
                        Bytes value = load_bytes(v + u * 4 * LANES);
                        for (int i = 0; i < Q; ++i) {
                            high[u][i] = dot8(high[u][i], value, four(weights.high[i] + t + quad));
                            low[u][i] = dot8(low[u][i], value, four(weights.low[i] + t + quad));
                        }
                    }
            }
            for (int u = 0; u < U; ++u)
                for (int i = 0; i < Q; ++i) {
                    Floats sum = fma(to_floats(high[u][i]), splat(128.0f), to_floats(low[u][i]));
                    total[u][i] = fma(sum, splat(weights.step[i][group]), total[u][i]);
                }
        }
        for (int u = 0; u < U; ++u)
            for (int i = 0; i < Q; ++i) store(q.partial[i] + e + u * LANES, total[u][i]);
    }

    static int32_t four(const int8_t* bytes) {
        int32_t word;
        std::memcpy(&word, bytes, 4);
        return word;
    }
};

// ------------------------------------------------------------------------ the same for both

// Scores to weights, not yet divided by their sum; what is not between `first` and `end` weighs
// exactly nothing.
inline void weigh(float* scores, long size, long first, long end, float* largest, float* total) {
    for (long i = 0; i < first; ++i) scores[i] = -INFINITY;
    Floats most = splat(-INFINITY);
    for (long i = 0; i < size && i < end; i += LANES)
        most = max(most, first_lanes(load(scores + i), int(end - i), -INFINITY));
    *largest = max_lanes(most);
    Floats sum = splat(0.0f), shift = splat(-*largest);
    for (long i = 0; i < size; i += LANES) {
        const int lanes = int(end - i < 0 ? 0 : end - i < LANES ? end - i : LANES);
        Floats weight = first_lanes(exp(load(scores + i) + shift), lanes, 0.0f);
        sum = sum + weight;
        store(scores + i, weight);
    }
    for (long i = 0; i < first; ++i) scores[i] = 0.0f;
    *total = sum_lanes(sum);
}

template <class Cache, int Q>
void attend_count(const Queries& q, const Pages& pages, long begin, long end) {
    constexpr int U = at_once(Q);
    alignas(64) float scores[Q * SPAN];
    float words[Q * 2 * WIDEST_HEAD];  // of all queries, side by side: one address serves all
    for (long w = 0; w < Cache::query_bytes(pages.head_dim) / 4; ++w)
        for (int i = 0; i < Q; ++i)
            std::memcpy(words + w * Q + i, static_cast<const char*>(q.query[i]) + 4 * w, 4);
    long token = begin, e = 0;
    for (; token + U * BLOCK <= end; token += U * BLOCK)
        Cache::template score<Q, U>(words, pages, begin, token, end, scores + token - begin);
    for (; token < end; token += BLOCK)
        Cache::template score<Q, 1>(words, pages, begin, token, end, scores + token - begin);
    for (int i = 0; i < Q; ++i) {
        float* rest = q.partial[i] + pages.head_dim;
        weigh(scores + i * SPAN, end - begin, q.first[i] - begin, q.last[i] + 1 - begin, rest,
              rest + 1);
    }
    const typename Cache::template Weights<Q> weights(pages, begin, end, scores);
    for (; e + U * LANES <= pages.head_dim; e += U * LANES)
        Cache::template mix<Q, U>(q, pages, begin, end, e, weights);
    for (; e < pages.head_dim; e += LANES)
        Cache::template mix<Q, 1>(q, pages, begin, end, e, weights);
}

template <class Cache, int Q = QUERIES>
void attend(const Queries& q, const Pages& pages, long begin, long end) {
    if (q.count == Q) attend_count<Cache, Q>(q, pages, begin, end);
    else if constexpr (Q > 1) attend<Cache, Q - 1>(q, pages, begin, end);
}

// Join the spans of one query, in order.
inline void join(const float* partials, long spans, long head_dim, float* out) {
    const long size = head_dim + 2;
    float largest = partials[head_dim];
    for (long s = 1; s < spans; ++s)
        largest = std::fmax(largest, partials[s * size + head_dim]);
    float total = 0;
    for (long e = 0; e < head_dim; ++e) out[e] = 0;
    for (long s = 0; s < spans; ++s) {
        const float* part = partials + s * size;
        const float factor = std::exp(part[head_dim] - largest);
        total += factor * part[head_dim + 1];
        for (long e = 0; e < head_dim; ++e) out[e] += factor * part[e];
    }
    for (long e = 0; e < head_dim; ++e) out[e] /= total;
}

}  // namespace
