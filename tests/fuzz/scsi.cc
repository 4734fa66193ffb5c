// SCSI: 16 bytes of CDB, then a parameter list.
#include <algorithm>
#include <cstring>

#include "backend/base/check.h"
#include "backend/base/endian.h"
#include "target/scsi/cdb.h"
#include "target/scsi/identity.h"
#include "target/scsi/inquiry.h"
#include "target/scsi/lun.h"
#include "target/scsi/mode_pages.h"
#include "target/scsi/unmap_list.h"
#include "tests/fuzz/targets.h"

namespace swiftness::fuzz {
namespace {

using namespace scsi;

void run_scsi(std::span<const std::byte> input) {
  Cdb cdb{};
  if (input.size() < cdb.size()) return;
  std::memcpy(cdb.data(), input.data(), cdb.size());
  const std::span<const std::byte> list = input.subspan(cdb.size());
  Geometry geometry;
  geometry.block_size = (cdb[15] & 1) != 0 ? 4096 : 512;
  geometry.blocks = BlockCount(1 << 20);

  (void)decode_block_access(cdb);
  (void)decode_synchronize_cache(cdb);
  (void)decode_pre_fetch(cdb);
  (void)decode_unmap(cdb);
  (void)decode_report_luns(cdb);
  (void)decode_request_sense(cdb);
  (void)decode_read_capacity16(cdb);
  (void)decode_get_lba_status(cdb);
  (void)decode_start_stop_unit(cdb);

  const InquiryCdb inquiry = decode_inquiry(cdb);
  const std::optional<Bytes> page = vpd_page(inquiry.page_code, {}, {}, geometry);
  CHECK(page.has_value() == has_vpd_page(inquiry.page_code));
  const std::variant<Bytes, Sense> pages = mode_sense_data(decode_mode_sense(cdb), {}, geometry);
  if (const Bytes* data = std::get_if<Bytes>(&pages)) CHECK(data->size() >= 4);

  const LunField field(load_be<uint64_t>(input.data() + 8));
  if (const std::optional<uint16_t> lun = lun_from_field(field)) {
    CHECK(*lun <= kHighestLun && lun_from_field(lun_to_field(*lun)) == lun);
  }

  const auto ranges = parse_unmap_list(list, geometry);
  if (const auto* found = std::get_if<std::vector<BlockRange>>(&ranges)) {
    CHECK(found->size() <= list.size() / 16);
    for (const BlockRange& range : *found) {
      CHECK(range.count.value() > 0 && range.first.value() <= geometry.blocks.value() &&
            range.count.value() <= geometry.blocks.value() - range.first.value());
    }
  }
}

std::vector<Bytes> scsi_seeds() {
  std::vector<Bytes> seeds;
  for (uint8_t code :
       {opcode::kRead6, opcode::kInquiry, opcode::kModeSense6, opcode::kWrite10,
        opcode::kModeSense10, opcode::kWrite16, opcode::kReportLuns, opcode::kRead12}) {
    Bytes cdb(16);
    cdb[0] = std::byte{code};
    cdb[1] = std::byte{1};     // EVPD
    cdb[2] = std::byte{0x3f};  // all mode pages
    cdb[8] = std::byte{0xff};
    seeds.push_back(std::move(cdb));
  }
  Bytes unmap(16 + 8 + 2 * 16);
  unmap[0] = std::byte{opcode::kUnmap};
  store_be(&unmap[16], static_cast<uint16_t>(6 + 2 * 16));
  store_be(&unmap[18], static_cast<uint16_t>(2 * 16));
  for (size_t i = 0; i < 2; ++i) {
    store_be(&unmap[24 + 16 * i], uint64_t{i * 4096});
    store_be(&unmap[32 + 16 * i], uint32_t{2048});
  }
  seeds.push_back(std::move(unmap));
  return seeds;
}

}  // namespace

const Target kScsi{"scsi", &run_scsi, &scsi_seeds};

}  // namespace swiftness::fuzz
