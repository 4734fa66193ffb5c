#include "target/huge_pages.h"

#include <gperftools/malloc_extension.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <new>

namespace swiftness {
namespace {

constexpr size_t kHugePage = 2 << 20;
constexpr size_t kGrowth = 16 << 20;  // the least that is asked of the kernel

constexpr size_t round_up(size_t size, size_t to) {
  return (size + to - 1) / to * to;
}

class HugePages final : public SysAllocator {
 public:
  void* Alloc(size_t size, size_t* actual_size, size_t alignment) override {
    if (alignment < kHugePage) alignment = kHugePage;
    const size_t length = round_up(size, size < kGrowth ? kGrowth : kHugePage);
    void* mapped = ::mmap(nullptr, length + alignment, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) return nullptr;
    const auto begin = reinterpret_cast<uintptr_t>(mapped);
    const uintptr_t aligned = round_up(begin, alignment);
    // What lies before and behind is address space only, never touched.
    auto* memory = reinterpret_cast<std::byte*>(mapped) + (aligned - begin);
    (void)::madvise(memory, length, MADV_HUGEPAGE);  // without it, only slower
    if (actual_size != nullptr) *actual_size = length;
    return memory;
  }
};

}  // namespace

void use_huge_pages() {
  // Never destroyed: memory is freed until the very end.
  alignas(HugePages) static std::byte place[sizeof(HugePages)];
  MallocExtension::instance()->SetSystemAllocator(new (place) HugePages);
  // What was freed is used again; given back to the kernel bit by bit, it would have to be cleared
  // again, 2 MiB at a time, in the middle of a write.
  MallocExtension::instance()->SetMemoryReleaseRate(0);
}

}  // namespace swiftness
