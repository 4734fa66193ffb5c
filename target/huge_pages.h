// Memory of swiftnessd in pages of 2 MiB, where the kernel has them to give (transparent huge
// pages). Data of commands come and go by the hundred MiB: each small page is a fault when it is
// touched first, which takes as long as copying it, and many times as long in some virtual
// machines.
#pragma once

namespace swiftness {

// For all that is allocated from now on; called once, as the first thing in main(). For tcmalloc.
void use_huge_pages();

}  // namespace swiftness
