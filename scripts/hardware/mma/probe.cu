// What one tensor-core instruction gives, bit for bit: mma.sync m16n8k16 and, on Hopper, wgmma m64n8k16, with FP16 and FP32 results, single and chained along K.
//
//     nvcc -O2 -std=c++17 -arch=sm_90a probe.cu -o probe && ./probe OUT_FOLDER [TILES, default 16]
//
// Writes OUT_FOLDER/INSTRUCTION-RESULT-chain.bin, little-endian, in the order case, tile, row, column; README.md beside the files tells the cases.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "cases.h"

#define CHECK(call)                                                                        \
  do {                                                                                     \
    const cudaError_t status = (call);                                                     \
    if (status != cudaSuccess) {                                                           \
      std::fprintf(stderr, "%s: %s\n", #call, cudaGetErrorString(status));                 \
      std::exit(1);                                                                        \
    }                                                                                      \
  } while (0)

__device__ std::uint32_t a_pair(int kind, int tile, int row, int column) {
  const std::uint32_t at = static_cast<std::uint32_t>(tile * 16 + row) * 65536u + static_cast<std::uint32_t>(column);
  return half_value(kind, hash_of(seed_of(kind, 0), at)) | (static_cast<std::uint32_t>(half_value(kind, hash_of(seed_of(kind, 0), at + 1))) << 16);
}
__device__ std::uint16_t b_value(int kind, int tile, int k, int column) {
  return half_value(kind, hash_of(seed_of(kind, 1), static_cast<std::uint32_t>(tile * 16 + column) * 65536u + static_cast<std::uint32_t>(k)));
}
__device__ std::uint32_t c_hash(int kind, int tile, int row, int column) {
  return hash_of(seed_of(kind, 2), static_cast<std::uint32_t>(tile * 16 + row) * 65536u + static_cast<std::uint32_t>(column));
}

struct Case {
  int kind;
  int k;
  int with_c;
};

/// One warp per tile.
template <bool kHalfResult>
__global__ void mma_sync(Case c, std::uint16_t* half_out, std::uint32_t* float_out) {
  const int tile = static_cast<int>(blockIdx.x);
  const int lane = static_cast<int>(threadIdx.x), group = lane / 4, pair = (lane % 4) * 2;
  std::uint32_t d[4];
  for (int i = 0; i < 4; i++) {
    const std::uint32_t h = c_hash(c.kind, tile, group + (i / 2) * 8, pair + i % 2);
    d[i] = !c.with_c ? 0u : kHalfResult ? half_value(c.kind, h) : float_value(c.kind, h);
  }
  if (kHalfResult) {
    d[0] |= d[1] << 16;
    d[1] = d[2] | (d[3] << 16);
  }
  for (int k = 0; k < c.k; k += 16) {
    const std::uint32_t a0 = a_pair(c.kind, tile, group, k + pair), a1 = a_pair(c.kind, tile, group + 8, k + pair);
    const std::uint32_t a2 = a_pair(c.kind, tile, group, k + pair + 8), a3 = a_pair(c.kind, tile, group + 8, k + pair + 8);
    const auto b_pair = [&](int row) {
      return b_value(c.kind, tile, row, group) | (static_cast<std::uint32_t>(b_value(c.kind, tile, row + 1, group)) << 16);
    };
    const std::uint32_t b0 = b_pair(k + pair), b1 = b_pair(k + pair + 8);
    if (kHalfResult)
      asm volatile("mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%0,%1},{%2,%3,%4,%5},{%6,%7},{%0,%1};"
                   : "+r"(d[0]), "+r"(d[1])
                   : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
    else
      asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
                   : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
                   : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
  }
  for (int i = 0; i < 4; i++) {
    const int at = tile * 128 + (group + (i / 2) * 8) * 8 + pair + i % 2;
    if (kHalfResult)
      half_out[at] = static_cast<std::uint16_t>(d[i / 2] >> (16 * (i % 2)));
    else
      float_out[at] = d[i];
  }
}

/// One warpgroup per four tiles: the 64 rows are tile t's, all with the B of the first (so tiles differ from mma_sync's in B; the columns of tile 0 are the same).
template <bool kHalfResult>
__global__ void wgmma(Case c, std::uint16_t* half_out, std::uint32_t* float_out) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  __shared__ alignas(128) std::uint16_t b[2][8][8];
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int first = static_cast<int>(blockIdx.x) * 4, tile = first + warp, group = lane / 4, pair = (lane % 4) * 2;
  std::uint32_t d[4];
  for (int i = 0; i < 4; i++) {
    const std::uint32_t h = c_hash(c.kind, tile, group + (i / 2) * 8, pair + i % 2);
    d[i] = !c.with_c ? 0u : kHalfResult ? half_value(c.kind, h) : float_value(c.kind, h);
  }
  if (kHalfResult) {
    d[0] |= d[1] << 16;
    d[1] = d[2] | (d[3] << 16);
  }
  // Start address, leading and stride offsets in units of 16 bytes, no swizzle.
  const std::uint64_t address = static_cast<std::uint64_t>(__cvta_generic_to_shared(&b[0][0][0]));
  const std::uint64_t descriptor = ((address & 0x3ffff) >> 4) | (8ull << 16) | (8ull << 32);
  for (int k = 0; k < c.k; k += 16) {
    __syncthreads();
    const int t = static_cast<int>(threadIdx.x);
    b[t / 64][(t / 8) % 8][t % 8] = b_value(c.kind, first, k + (t / 64) * 8 + t % 8, (t / 8) % 8);
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
    __syncthreads();
    const std::uint32_t a0 = a_pair(c.kind, tile, group, k + pair), a1 = a_pair(c.kind, tile, group + 8, k + pair);
    const std::uint32_t a2 = a_pair(c.kind, tile, group, k + pair + 8), a3 = a_pair(c.kind, tile, group + 8, k + pair + 8);
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
    if (kHalfResult)
      asm volatile("wgmma.mma_async.sync.aligned.m64n8k16.f16.f16.f16 {%0,%1},{%2,%3,%4,%5},%6,1,1,1,0;"
                   : "+r"(d[0]), "+r"(d[1])
                   : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "l"(descriptor)
                   : "memory");
    else
      asm volatile("wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%0,%1,%2,%3},{%4,%5,%6,%7},%8,1,1,1,0;"
                   : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
                   : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "l"(descriptor)
                   : "memory");
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
    asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
  }
  for (int i = 0; i < 4; i++) {
    const int at = tile * 128 + (group + (i / 2) * 8) * 8 + pair + i % 2;
    if (kHalfResult)
      half_out[at] = static_cast<std::uint16_t>(d[i / 2] >> (16 * (i % 2)));
    else
      float_out[at] = d[i];
  }
#endif
}

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: probe OUT_FOLDER [TILES]\n");
    return 2;
  }
  const std::string folder = argv[1];
  const int tiles = argc > 2 ? std::atoi(argv[2]) : 16;
  std::vector<Case> single, chained;
  for (int kind = 0; kind < kKinds; kind++)
    for (int with_c = 0; with_c < 2; with_c++) single.push_back({kind, 16, with_c});
  for (const int kind : {static_cast<int>(kBell), static_cast<int>(kSmall), static_cast<int>(kWide)})
    for (const int k : {32, 64, 256, 1024, 4096}) chained.push_back({kind, k, 0});
  std::uint16_t* half_out = nullptr;
  std::uint32_t* float_out = nullptr;
  const std::size_t count = static_cast<std::size_t>(tiles) * 128;
  CHECK(cudaMalloc(&half_out, count * 2));
  CHECK(cudaMalloc(&float_out, count * 4));
  for (const bool wide : {false, true})
    for (const bool half : {true, false})
      for (const bool chain : {false, true}) {
        const std::string path = folder + "/" + (wide ? "wgmma" : "mma") + "-" + (half ? "f16" : "f32") + "-" + (chain ? "chained" : "single") + ".bin";
        std::FILE* file = std::fopen(path.c_str(), "wb");
        if (file == nullptr) return 1;
        for (const Case& c : chain ? chained : single) {
          if (!wide && half) mma_sync<true><<<tiles, 32>>>(c, half_out, float_out);
          if (!wide && !half) mma_sync<false><<<tiles, 32>>>(c, half_out, float_out);
          if (wide && half) wgmma<true><<<tiles / 4, 128>>>(c, half_out, float_out);
          if (wide && !half) wgmma<false><<<tiles / 4, 128>>>(c, half_out, float_out);
          CHECK(cudaGetLastError());
          CHECK(cudaDeviceSynchronize());
          std::vector<unsigned char> bytes(count * (half ? 2 : 4));
          CHECK(cudaMemcpy(bytes.data(), half ? static_cast<void*>(half_out) : static_cast<void*>(float_out), bytes.size(), cudaMemcpyDeviceToHost));
          std::fwrite(bytes.data(), 1, bytes.size(), file);
        }
        std::fclose(file);
      }
  return 0;
}
