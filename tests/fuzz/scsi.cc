// SCSI: 16 bytes of CDB, then a parameter list.
#include <algorithm>
#include <cstring>

#include "backend/base/check.h"
#include "backend/base/endian.h"
#include "target/scsi/cdb.h"
#include "target/scsi/copy_parameters.h"
#include "target/scsi/erasure.h"
#include "target/scsi/identity.h"
#include "target/scsi/inquiry.h"
#include "target/scsi/limits.h"
#include "target/scsi/log_pages.h"
#include "target/scsi/lun.h"
#include "target/scsi/mode_pages.h"
#include "target/scsi/reservation_data.h"
#include "target/scsi/rod_tokens.h"
#include "target/scsi/supported_commands.h"
#include "target/scsi/target_port_groups.h"
#include "target/scsi/unmap_list.h"
#include "tests/fuzz/targets.h"

namespace swiftness::fuzz {
namespace {

using namespace scsi;

// Any PERSISTENT RESERVE OUT, after one that registered: what is there afterwards holds together,
// and a record of it is read back as it was. Any record of a volume is read or refused.
void reserve(const Cdb& cdb, std::span<const std::byte> list) {
  constexpr uint16_t kPorts[] = {1, 2};
  const NexusName by{"iqn.x:a,i,0x1", 1};
  Reservations reservations;
  ReserveOut first{.service_key = 1};
  CHECK(reservations.apply(first, by, kPorts).status == Status::good);
  PersistentReserveOutCdb out = decode_persistent_reserve_out(cdb);
  out.service_action &= 0x07;
  const auto parsed = parse_reserve_out(out, list, true);
  if (const auto* action = std::get_if<ReserveOut>(&parsed)) {
    (void)reservations.apply(*action, by, kPorts);
  }
  const auto& reservation = reservations.reservation();
  CHECK(!reservation || reservations.is_of_all_registrants() ||
        reservations.find(reservation->holder) != nullptr);
  CHECK(!reservation || !reservations.registrations().empty());
  const auto again = Reservations::decode(reservations.encode());
  CHECK(again.has_value());
  CHECK(!reservations.persists() || again->registrations() == reservations.registrations());
  (void)read_full_status_data(reservations);
  (void)read_reservation_data(reservations);
  if (const auto of_a_record = Reservations::decode(list)) {
    (void)read_full_status_data(*of_a_record);
    (void)read_reservation_data(*of_a_record);
  }
}

// Any SET TARGET PORT GROUPS: it changes states as it says, or nothing.
void set_groups(const Cdb& cdb, std::span<const std::byte> list) {
  (void)decode_set_target_port_groups(cdb);
  const uint8_t format = decode_report_target_port_groups(cdb).format;
  const TargetPort ports[] = {{"a", 1, 1}, {"b", 2, 2}};
  TargetPortGroups groups(ports, {{2, AccessState::standby}});
  const Bytes before = groups.report(format);
  const auto changed = groups.set(list);
  const bool* done = std::get_if<bool>(&changed);
  CHECK((groups.report(format) != before) == (done && *done));
  const auto again = groups.set(list);
  if (done) CHECK(!std::get<bool>(again));
}

void check_ranges(const std::vector<BlockRange>& ranges, const Geometry& geometry) {
  CHECK(ranges.size() <= kMaximumTokenRanges);
  CHECK(blocks_of(ranges) <= blocks_in(kMaximumTokenBytes, geometry));
  for (const BlockRange& range : ranges) {
    CHECK(range.count.value() > 0 && is_inside(range, geometry));
  }
}

// Copy offload: what is taken is within its limits; a token that we did not make is refused.
void copy(std::span<const std::byte> list, const Geometry& geometry) {
  for (auto form : {ListIdentifierLength::one, ListIdentifierLength::four}) {
    const auto parsed = parse_extended_copy(list, form);
    if (const auto* extended = std::get_if<ExtendedCopy>(&parsed)) {
      CHECK(extended->targets.size() <= kMaximumCopyTargets);
      CHECK(extended->segments.size() <= kMaximumCopySegments);
    }
  }
  const auto populate = parse_populate_token(list, geometry);
  if (const auto* found = std::get_if<PopulateToken>(&populate)) {
    check_ranges(found->ranges, geometry);
    RodTokens tokens;
    const RodTokenPtr token = tokens.add(*found, geometry.block_size, now());
    const RodTokenData data = encode_token(*token, {}, geometry, {});
    CHECK(std::get<TokenName>(read_token(data, {})).id == token->id);
    tokens.revoke(found->ranges.back());
    CHECK(!token->is_live() && tokens.empty());
  }
  const auto write = parse_write_using_token(list, geometry);
  if (const auto* found = std::get_if<WriteUsingToken>(&write)) {
    check_ranges(found->ranges, geometry);
    const auto name = read_token(found->token, TokenKey{std::byte{1}});
    CHECK(std::holds_alternative<Sense>(name) || std::get<TokenName>(name).is_zero);
  }
}

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
  (void)decode_verify(cdb);
  (void)decode_compare_and_write(cdb);
  (void)decode_write_atomic(cdb);
  (void)decode_write_same(cdb);
  (void)decode_persistent_reserve_in(cdb);
  (void)decode_read_defect_data(cdb);
  (void)decode_buffer(cdb);
  (void)decode_send_diagnostic(cdb);
  (void)decode_receive_diagnostic(cdb);
  (void)decode_format_unit(cdb);
  (void)decode_sanitize(cdb);
  (void)decode_identifying_information(cdb);
  (void)decode_report_task_management(cdb);
  (void)supported_operation_codes_data(decode_report_operation_codes(cdb));
  set_groups(cdb, list);
  LogValues log_values;
  log_values.geometry = geometry;
  (void)log_sense_data(decode_log_sense(cdb), log_values);

  const InquiryCdb inquiry = decode_inquiry(cdb);
  const std::optional<Bytes> page = vpd_page(inquiry.page_code, {}, {}, geometry);
  CHECK(page.has_value() == has_vpd_page(inquiry.page_code, {}));
  const std::variant<Bytes, Sense> pages = mode_sense_data(decode_mode_sense(cdb), {}, geometry);
  if (const Bytes* data = std::get_if<Bytes>(&pages)) CHECK(data->size() >= 4);

  // What was selected is what the pages then show.
  const bool ten = decode_mode_select(cdb).ten;
  const auto selected = parse_mode_select_list(list, ten, {}, geometry);
  if (const auto* parameters = std::get_if<ModeParameters>(&selected)) {
    const auto again = parse_mode_select_list(list, ten, *parameters, geometry);
    CHECK(std::holds_alternative<ModeParameters>(again) &&
          std::get<ModeParameters>(again) == *parameters);
  }

  reserve(cdb, list);
  (void)decode_third_party_copy_out(cdb);
  (void)decode_third_party_copy_in(cdb);
  copy(list, geometry);

  // What a volume kept, and lost bytes of.
  if (const auto kept = decode_mode(list, {})) CHECK(decode_mode(encode(*kept), {}) == kept);
  (void)decode_sanitize_record(Bytes(list.begin(), list.end()));

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
  Bytes set_groups(16 + 4 + 2 * 4);
  set_groups[0] = std::byte{opcode::kMaintenanceOut};
  set_groups[1] = std::byte{service_action::kSetTargetPortGroups};
  for (size_t i = 0; i < 2; ++i) {
    set_groups[20 + 4 * i] = static_cast<std::byte>(2 - 2 * i);
    store_be(&set_groups[22 + 4 * i], static_cast<uint16_t>(i + 1));
  }
  seeds.push_back(std::move(set_groups));
  for (uint8_t action = 0; action < 8; ++action) {
    Bytes reserve(16 + 24);
    reserve[0] = std::byte{opcode::kPersistentReserveOut};
    reserve[1] = std::byte{action};
    reserve[2] = std::byte{5};
    reserve[16 + 7] = reserve[16 + 15] = std::byte{1};
    reserve[16 + 20] = std::byte{0x0d};  // SPEC_I_PT, ALL_TG_PT, APTPL
    const Bytes id = transport_id_of("iqn.x:b,i,0x2");
    if (action == 0) reserve.resize(16 + 28);
    const size_t length_at = action == 7 ? 16 + 20 : 16 + 24;
    if (action == 0 || action == 7) {
      store_be(&reserve[length_at], static_cast<uint32_t>(id.size()));
      reserve.insert(reserve.end(), id.begin(), id.end());
    }
    if (action == 0) reserve[16 + 7] = std::byte{0};
    seeds.push_back(std::move(reserve));
  }
  // EXTENDED COPY(LID1) and (LID4): one target, one segment; tokens: one range.
  for (size_t header : {size_t{16}, size_t{48}}) {
    Bytes list(16 + header + 32 + 28);
    list[0] = std::byte{opcode::kThirdPartyCopyOut};
    std::byte* const parameters = &list[16];
    if (header == 16) {
      store_be(parameters + 2, uint16_t{32});
      store_be(parameters + 8, uint32_t{28});
    } else {
      parameters[0] = std::byte{1};
      store_be(parameters + 2, uint16_t{32});
      parameters[16] = std::byte{0xff};
      store_be(parameters + 42, uint16_t{32});
      store_be(parameters + 44, uint16_t{28});
    }
    std::byte* const target = parameters + header;
    target[0] = std::byte{0xe4};
    target[4] = std::byte{1};
    target[5] = std::byte{3};
    target[7] = std::byte{16};
    std::byte* const segment = target + 32;
    segment[0] = std::byte{2};
    segment[3] = std::byte{24};
    segment[11] = std::byte{8};
    seeds.push_back(std::move(list));
  }
  for (size_t header : {size_t{16}, size_t{536}}) {
    Bytes list(16 + header + 16);
    list[0] = std::byte{opcode::kThirdPartyCopyOut};
    std::byte* const parameters = &list[16];
    store_be(parameters, static_cast<uint16_t>(header + 16 - 2));
    store_be(parameters + header - 2, uint16_t{16});
    store_be(parameters + header + 8, uint32_t{8});
    if (header == 536) {
      store_be(parameters + 16, rod_type::kBlockDeviceZero);
      store_be(parameters + 22, uint16_t{0x1f8});
    }
    seeds.push_back(std::move(list));
  }
  ModeSenseCdb all_pages;
  all_pages.page_code = 0x3f;
  for (bool ten : {false, true}) {
    all_pages.ten = ten;
    ModeValues values;
    values.current = {.write_cache = false, .descriptor_sense = true};
    const Bytes shown =
        std::get<Bytes>(mode_sense_data(all_pages, values, {512, BlockCount(1 << 20), {}}));
    Bytes select(16);
    select[0] = std::byte{ten ? opcode::kModeSelect10 : opcode::kModeSelect6};
    select.insert(select.end(), shown.begin(), shown.end());
    seeds.push_back(std::move(select));
  }
  return seeds;
}

}  // namespace

const Target kScsi{"scsi", &run_scsi, &scsi_seeds};

}  // namespace swiftness::fuzz
