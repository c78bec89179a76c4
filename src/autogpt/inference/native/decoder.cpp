// One step of the decoder: new tokens in, keys and values written, logits out.
//
// Every thread of a team runs `work` from top to bottom and does its share of each phase; between
// phases they meet at a barrier. The file is compiled into one shared library for each instruction
// set; `build.py` chooses.
#include "attention.hpp"
#include "decoder.hpp"
#include "products.hpp"
#include "threads.hpp"

namespace {

// Tokens computed together. More would push activations out of the second-level cache.
constexpr long PART = 256;

struct Tile {  // neighboring tokens of one row, which attend together
    long first, count, row;
};

struct Item {  // one tile, one key/value head, one span of context
    long tile, kv_head, span;
};

// All buffers of a part, cut from one piece of memory; measures that piece when `base` is null.
struct Arena {
    uint8_t* base;
    long used = 0;

    template <class T> T* take(long count) {
        T* place = base ? reinterpret_cast<T*>(base + used) : nullptr;
        used += (count * long(sizeof(T)) + 63) / 64 * 64;
        return place;
    }
};

struct Sizes {
    long hidden, joined, mixed, wide, heads, group;  // padded widths of a token; H + 2 K; H / K

    explicit Sizes(const Model& m)
        : hidden(padded(m.hidden)),
          joined(padded(long(m.heads + 2 * m.kv_heads) * m.head_dim)),
          mixed(padded(long(m.heads) * m.head_dim)),
          wide(padded(m.intermediate)),
          heads(m.heads + 2 * m.kv_heads),
          group(m.heads / m.kv_heads) {}
};

struct Part {
    const Model& m;
    const Batch& b;
    const Sizes size;
    const long begin, tokens;  // which of the batch
    long outputs = 0, first_output = 0, tiles = 0, items = 0;
    float *x, *joined, *mixed, *wide;
    Activations a;
    float* branch = nullptr;  // what attention or network return, where that is normalized
    long query_bytes;
    uint8_t* queries;
    int32_t* row;
    long* partial_start;
    float* partials;
    Tile* tile;
    Item* item;
    std::atomic<long>* next;

    Part(const Model& model, const Batch& batch, long begin_, long tokens_, Arena& arena)
        : m(model), b(batch), size(model), begin(begin_), tokens(tokens_) {
        x = arena.take<float>(tokens * size.hidden);
        joined = arena.take<float>(tokens * size.joined);
        mixed = arena.take<float>(tokens * size.mixed);
        wide = arena.take<float>(tokens * size.wide);
        if (m.layer[0].attention_post_norm) branch = arena.take<float>(tokens * size.hidden);
        long widest = size.hidden > size.mixed ? size.hidden : size.mixed;
        long groups = groups_of(widest > size.wide ? widest : size.wide);
        a.quads = arena.take<int32_t>(tokens * groups * (GROUP / 4));
        a.scales = arena.take<float>(tokens * groups);
        a.corrections = arena.take<int32_t>(tokens * groups);
        a.sums = arena.take<float>(tokens * groups);
        query_bytes = m.cache_bits == 8 ? Int8Cache::query_bytes(m.head_dim)
                                        : HalfCache::query_bytes(m.head_dim);
        queries = arena.take<uint8_t>(tokens * m.heads * query_bytes);
        partial_start = arena.take<long>(tokens);
        row = arena.take<int32_t>(tokens);
        next = arena.take<std::atomic<long>>(8);
        long spans = 0;
        for (long n = 0; n < tokens; ++n) spans += spans_of(n);
        partials = arena.take<float>(spans * m.heads * (m.head_dim + 2));
        tile = arena.take<Tile>(tokens);
        item = arena.take<Item>(spans * m.kv_heads);
        if (arena.base) prepare();
    }

    long spans_of(long n) const { return b.positions[begin + n] / SPAN + 1; }

    void prepare() {
        long spans = 0, at = 0;
        for (long n = 0; n < tokens; ++n) {
            while (b.row_starts[at + 1] <= begin + n) ++at;
            row[n] = int32_t(at);
            partial_start[n] = spans * m.heads * (m.head_dim + 2);
            spans += spans_of(n);
        }
        const long together = size.group < QUERIES ? QUERIES / size.group : 1;
        for (long n = 0, count; n < tokens; n += count) {
            for (count = 1; count < together && n + count < tokens; ++count)
                if (row[n + count] != row[n]) break;
            for (long span = 0; span < spans_of(n + count - 1); ++span)
                for (long k = 0; k < m.kv_heads; ++k) item[items++] = {tiles, k, span};
            tile[tiles++] = {n, count, row[n]};
        }
        for (long i = 0; i < b.outputs; ++i) {
            if (b.output_tokens[i] < begin) ++first_output;
            else if (b.output_tokens[i] < begin + tokens) ++outputs;
        }
        *next = 0;
    }

    // ------------------------------------------------------------------------ phases

    void embed(Share share) const {
        for (long n = share.begin; n < share.end; ++n) {
            float* values = x + n * size.hidden;
            read_row(m.embedding, b.token_ids[begin + n], values);
            for (long i = 0; i < size.hidden; ++i) values[i] *= m.embedding_multiplier;
        }
    }

    // Quantize rows of `source`; with a norm, x / rms(x) * weight of them. The share is of groups.
    template <class Row>
    void quantize(long count, long groups, Share share, const float* norm, Row source) {
        for (long first = 0, width; first < count; first += width) {
            width = tile_width(count - first);
            for (long t = 0; t < width; ++t) {
                const float* values = source(first + t);
                float scale = norm ? inverse_rms(values) : 1.0f;
                for (long g = share.begin; g < share.end; ++g) {
                    float part[GROUP];
                    for (int i = 0; i < GROUP; ++i) {
                        float value = values[g * GROUP + i];
                        part[i] = norm ? value * scale * norm[g * GROUP + i] : value;
                    }
                    a.quantize(part, g, first, t, int(width), groups);
                }
            }
        }
    }

    float inverse_rms(const float* values) const {
        Floats sum = splat(0.0f);
        for (long i = 0; i < size.hidden; i += LANES) {
            Floats v = load(values + i);
            sum = fma(v, v, sum);
        }
        return 1.0f / std::sqrt(sum_lanes(sum) / float(m.hidden) + m.eps);
    }

    template <class Sink>
    void product(const Matrix& matrix, long count, Share share, Sink sink) const {
        alignas(64) float out[TILE * LANES];
        for (long block = share.begin; block < share.end; ++block)
            for (long first = 0, width; first < count; first += width) {
                width = tile_width(count - first);
                multiply(matrix, block, a, first, int(width), out);
                for (long t = 0; t < width; ++t)
                    sink(first + t, block * LANES, load(out + t * LANES));
            }
    }

    // Multiply and add to the residual stream, normalized where the family wants it.
    void add(const Matrix& matrix, const float* norm, Crew& crew) const {
        const Share share = crew.share(blocks_of(m.hidden));
        if (!norm)
            return product(matrix, tokens, share, [&](long n, long column, Floats value) {
                float* place = x + n * size.hidden + column;
                store(place, load(place) + value);
            });
        product(matrix, tokens, share, [&](long n, long column, Floats value) {
            store(branch + n * size.hidden + column, value);
        });
        crew.wait();
        const Share rows = crew.share(tokens);
        for (long n = rows.begin; n < rows.end; ++n) {
            const float* values = branch + n * size.hidden;
            const float scale = inverse_rms(values);
            for (long i = 0; i < m.hidden; ++i) x[n * size.hidden + i] += values[i] * scale * norm[i];
        }
    }

    // activation(gate) * up; blocks of gate and up alternate in the matrix.
    void gate_up(const Matrix& matrix, Share share) const {
        alignas(64) float gate[TILE * LANES], up[TILE * LANES];
        for (long pair = share.begin; pair < share.end; ++pair)
            for (long first = 0, width; first < tokens; first += width) {
                width = tile_width(tokens - first);
                multiply(matrix, 2 * pair, a, first, int(width), gate);
                multiply(matrix, 2 * pair + 1, a, first, int(width), up);
                for (long t = 0; t < width; ++t)
                    store(wide + (first + t) * size.wide + pair * LANES,
                          activate(load(gate + t * LANES)) * load(up + t * LANES));
            }
    }

    // SiLU: g / (1 + e^-g). GELU in its tanh form is g / (1 + e^-2z), z = sqrt(2 / pi) (g + ...).
    Floats activate(Floats g) const {
        Floats exponent = g * splat(-1.0f);
        if (m.gelu) {
            Floats cubed = fma(g * g * g, splat(0.044715f), g);
            exponent = cubed * splat(-2.0f * 0.79788456f);
        }
        return g / (splat(1.0f) + exp(exponent));
    }

    // Norm and turn queries and keys; scale queries; put keys and values into their blocks.
    template <class Cache> void place(const Layer& layer, long l, Share share) const {
        const long width = m.head_dim;
        for (long i = share.begin; i < share.end; ++i) {
            const long n = i / size.heads, head = i % size.heads;
            float* v = joined + n * size.joined + head * width;
            const bool query = head < m.heads, value = head >= m.heads + m.kv_heads;
            if (!value) {
                const float* norm = query ? layer.query_norm : layer.key_norm;
                if (norm) normalize(v, norm);
                turn(v, layer, b.positions[begin + n]);
            }
            if (query) {
                for (long e = 0; e < width; ++e) v[e] *= m.query_scale;
                Cache::put_query(queries + (n * m.heads + head) * query_bytes, v, width);
                continue;
            }
            const long position = b.positions[begin + n], slot = position % BLOCK;
            const Pages pages = this->pages(l, row[n], (head - m.heads) % m.kv_heads);
            if (value)
                Cache::put_value(pages.value_block(position / BLOCK, Cache::value_bytes(width)),
                                 slot, v, width);
            else
                Cache::put_key(pages.key_block(position / BLOCK, Cache::key_bytes(width)), slot, v,
                               width);
        }
    }

    // A new block's values must be numbers, since those of tokens to come are multiplied by zero.
    template <class Cache> void clear_new_blocks(long l, Share share) const {
        const long bytes = Cache::value_bytes(m.head_dim);
        for (long n = share.begin; n < share.end; ++n) {
            const long position = b.positions[begin + n];
            if (position % BLOCK != 0) continue;
            for (long k = 0; k < m.kv_heads; ++k)
                std::memset(pages(l, row[n], k).value_block(position / BLOCK, bytes), 0,
                            size_t(bytes));
        }
    }

    Pages pages(long l, long r, long kv_head) const {
        return {static_cast<uint8_t*>(b.keys[l]), static_cast<uint8_t*>(b.values[l]),
                b.tables + r * b.table_width, b.blocks, kv_head, m.head_dim};
    }

    void normalize(float* v, const float* weight) const {
        float sum = 0;
        for (long e = 0; e < m.head_dim; ++e) sum += v[e] * v[e];
        const float scale = 1.0f / std::sqrt(sum / float(m.head_dim) + m.eps);
        for (long e = 0; e < m.head_dim; ++e) v[e] = v[e] * scale * weight[e];
    }

    void turn(float* v, const Layer& layer, long position) const {  // each pair (v[e], v[e + E / 2])
        const long half = m.head_dim / 2;
        const float *cos = layer.cos + position * half, *sin = layer.sin + position * half;
        for (long e = 0; e < half; ++e) {
            const float first = v[e], second = v[e + half];
            v[e] = first * cos[e] - second * sin[e];
            v[e + half] = second * cos[e] + first * sin[e];
        }
    }

    template <class Cache> void attend_item(const Item& it, long l) const {
        const Tile& t = tile[it.tile];
        const long window = m.layer[l].window;
        const long start = it.span * SPAN, total = t.count * size.group;
        for (long i = 0; i < total;) {
            Queries q;
            long end = 0;
            for (q.count = 0; q.count < QUERIES && i < total; ++i) {
                const long n = t.first + i / size.group;
                const long head = it.kv_head * size.group + i % size.group;
                const long last = b.positions[begin + n];
                const long first = window && last >= window ? last - window + 1 : 0;
                if (last < start || first >= start + SPAN) continue;
                q.query[q.count] = queries + (n * m.heads + head) * query_bytes;
                q.first[q.count] = first;
                q.last[q.count] = last;
                q.partial[q.count++] = partial(n, head) + it.span * (m.head_dim + 2);
                end = end > last + 1 ? end : last + 1;
            }
            end = (end + BLOCK - 1) / BLOCK * BLOCK;
            if (q.count)
                attend<Cache>(q, pages(l, t.row, it.kv_head), start,
                              end < start + SPAN ? end : start + SPAN);
        }
    }

    float* partial(long n, long head) const {
        return partials + partial_start[n] + head * spans_of(n) * (m.head_dim + 2);
    }

    void join_heads(Share share, long window) const {
        for (long i = share.begin; i < share.end; ++i) {
            const long n = i / m.heads, head = i % m.heads, last = b.positions[begin + n];
            const long skipped = window && last >= window ? (last - window + 1) / SPAN : 0;
            join(partial(n, head) + skipped * (m.head_dim + 2), spans_of(n) - skipped, m.head_dim,
                 mixed + n * size.mixed + head * m.head_dim);
        }
    }

    // ------------------------------------------------------------------------ all of them

    template <class Cache> void work(Crew& crew) {
        const long in = groups_of(m.hidden), wide_groups = groups_of(m.intermediate);
        auto stream = [&](long n) { return x + n * size.hidden; };
        clear_padding(crew);
        embed(crew.share(tokens));
        crew.wait();
        for (long l = 0; l < m.layers; ++l) {
            const Layer& layer = m.layer[l];
            clear_new_blocks<Cache>(l, crew.share(tokens));
            quantize(tokens, in, crew.share(in), layer.attention_norm, stream);
            crew.wait();
            product(layer.query_key_value, tokens, crew.share(blocks_of(layer.query_key_value.rows)),
                    [&](long n, long column, Floats value) {
                        store(joined + n * size.joined + column, value);
                    });
            crew.wait();
            place<Cache>(layer, l, crew.share(tokens * size.heads));
            crew.wait();
            for (long i; (i = next->fetch_add(1)) < items;) attend_item<Cache>(item[i], l);
            crew.wait();
            if (crew.index == 0) *next = 0;
            join_heads(crew.share(tokens * m.heads), layer.window);
            crew.wait();
            const long mixed_groups = groups_of(size.mixed);
            quantize(tokens, mixed_groups, crew.share(mixed_groups), nullptr,
                     [&](long n) { return mixed + n * size.mixed; });
            crew.wait();
            add(layer.output, layer.attention_post_norm, crew);
            crew.wait();
            quantize(tokens, in, crew.share(in), layer.network_norm, stream);
            crew.wait();
            gate_up(layer.gate_up, crew.share(blocks_of(m.intermediate)));
            crew.wait();
            quantize(tokens, wide_groups, crew.share(wide_groups), nullptr,
                     [&](long n) { return wide + n * size.wide; });
            crew.wait();
            add(layer.down, layer.network_post_norm, crew);
            crew.wait();
        }
        if (!outputs) return;
        quantize(outputs, in, crew.share(in), m.norm, [&](long i) {
            return x + (b.output_tokens[first_output + i] - begin) * size.hidden;
        });
        crew.wait();
        product(m.head, outputs, crew.share(blocks_of(m.vocab)),
                [&](long i, long column, Floats value) {
                    float all[LANES];
                    store(all, value);
                    const long left = m.vocab - column, lanes = left < LANES ? left : LANES;
                    std::memcpy(b.logits + (first_output + i) * long(m.vocab) + column, all,
                                size_t(lanes) * sizeof(float));
                });
    }

    // Columns that only fill up a group are read, and must be numbers.
    void clear_padding(const Crew& crew) const {
        if (crew.index != 0) return;
        for (long n = 0; n < tokens; ++n) {
            std::memset(mixed + n * size.mixed, 0, size_t(size.mixed) * sizeof(float));
            std::memset(wide + n * size.wide, 0, size_t(size.wide) * sizeof(float));
        }
    }
};

}  // namespace

extern "C" {

int autogpt_supported() {
#if defined(__AVX512VNNI__)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("f16c");
#elif defined(__AVX2__)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("f16c");
#else
    return 1;
#endif
}

long autogpt_scratch_bytes(const Model* m, const Batch* b) {
    long most = 0;
    for (long begin = 0; begin < b->tokens; begin += PART) {
        Arena arena{nullptr};
        Part(*m, *b, begin, b->tokens - begin < PART ? b->tokens - begin : PART, arena);
        most = most > arena.used ? most : arena.used;
    }
    return most;
}

long autogpt_block_bytes(const Model* m, int of_values) {
    const long e = m->head_dim;
    return m->cache_bits == 8 ? (of_values ? Int8Cache::value_bytes(e) : Int8Cache::key_bytes(e))
                              : (of_values ? HalfCache::value_bytes(e) : HalfCache::key_bytes(e));
}

void autogpt_run(const Model* m, const Batch* b, const Team* team) {
    for (long begin = 0; begin < b->tokens; begin += PART) {
        Arena arena{b->scratch};
        Part part(*m, *b, begin, b->tokens - begin < PART ? b->tokens - begin : PART, arena);
        run_team(*team, [&](Crew& crew) {
            if (m->cache_bits == 8) part.work<Int8Cache>(crew);
            else part.work<HalfCache>(crew);
        });
    }
}
}
