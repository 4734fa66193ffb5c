#include "target/scsi/copy_parameters.h"

#include "target/scsi/limits.h"
#include "tests/scsi/copy_fixture.h"

namespace swiftness::scsi::test {
namespace {

constexpr auto kLid1 = ListIdentifierLength::one;
constexpr auto kLid4 = ListIdentifierLength::four;
const Geometry kDisk{512, BlockCount(1 << 20), Uuid{}};

CopyList one_segment() {
  CopyList list;
  list.targets = {target_descriptor(uuid_of(1)), target_descriptor(uuid_of(2))};
  list.segments = {segment_descriptor(0, 1, 8, 100, 200)};
  return list;
}

template <class T>
std::string sense_of(const std::variant<T, Sense>& parsed) {
  const Sense* sense = std::get_if<Sense>(&parsed);
  return sense ? sense_code(encode(*sense, SenseFormat::fixed)) : "fine";
}

TEST(CopyParameters, BothFormsSayTheSame) {
  const CopyList list = one_segment();
  for (const auto& parsed :
       {parse_extended_copy(list.lid1(), kLid1), parse_extended_copy(list.lid4(), kLid4)}) {
    const auto* copy = std::get_if<ExtendedCopy>(&parsed);
    ASSERT_TRUE(copy) << sense_of(parsed);
    EXPECT_EQ(copy->list_identifier, 1u);
    ASSERT_EQ(copy->targets.size(), 2u);
    EXPECT_EQ(hex(copy->targets[1].designator), to_hex(naa6_of(uuid_of(2))));
    EXPECT_EQ(copy->targets[1].block_length, 512u);
    ASSERT_EQ(copy->segments.size(), 1u);
    EXPECT_EQ(copy->segments[0].from, 0);
    EXPECT_EQ(copy->segments[0].to, 1);
    EXPECT_EQ(copy->segments[0].blocks, 8);
    EXPECT_EQ(copy->segments[0].from_first, Lba(100));
    EXPECT_EQ(copy->segments[0].to_first, Lba(200));
  }
}

TEST(CopyParameters, ACutListIsRefusedWhereverItIsCut) {
  const CopyList list = one_segment();
  for (auto form : {kLid1, kLid4}) {
    const Bytes whole = form == kLid1 ? list.lid1() : list.lid4();
    for (size_t size = 0; size < whole.size(); ++size) {
      EXPECT_EQ(sense_of(parse_extended_copy(std::span(whole).first(size), form)), "05/1a/00");
    }
  }
}

TEST(CopyParameters, DescriptorsAreCountedAndTheirTypesLookedAt) {
  CopyList list = one_segment();
  list.targets.assign(kMaximumCopyTargets + 1, target_descriptor(uuid_of(1)));
  EXPECT_EQ(sense_of(parse_extended_copy(list.lid1(), kLid1)), "05/26/06");
  list = one_segment();
  list.segments.assign(kMaximumCopySegments + 1, list.segments[0]);
  EXPECT_EQ(sense_of(parse_extended_copy(list.lid1(), kLid1)), "05/26/08");
  list.targets.assign(kMaximumCopyTargets + 1, target_descriptor(uuid_of(1)));
  EXPECT_EQ(sense_of(parse_extended_copy(list.lid1(), kLid1)), "05/1a/00") << "too long a list";
  list = one_segment();
  list.targets[1][0] = std::byte{0xe0};
  EXPECT_EQ(sense_of(parse_extended_copy(list.lid4(), kLid4)), "05/26/07");
  list = one_segment();
  list.segments[0][0] = std::byte{0x03};
  EXPECT_EQ(sense_of(parse_extended_copy(list.lid4(), kLid4)), "05/26/09");
}

TEST(CopyParameters, WhatCannotBeIsRefused) {
  CopyList list = one_segment();
  list.usage = 1;  // reserved
  EXPECT_EQ(sense_of(parse_extended_copy(list.lid1(), kLid1)), "05/26/00");
  list.usage = 3;  // no list identifier, yet there is one
  EXPECT_EQ(sense_of(parse_extended_copy(list.lid1(), kLid1)), "05/26/00");
  list.list_identifier = 0;
  EXPECT_EQ(sense_of(parse_extended_copy(list.lid1(), kLid1)), "fine");
  list = one_segment();
  list.targets[0][1] = std::byte{0x20};  // NUL
  EXPECT_EQ(sense_of(parse_extended_copy(list.lid1(), kLid1)), "05/26/00");
  list = one_segment();
  list.targets[0][7] = std::byte{21};  // a designator beyond its descriptor
  EXPECT_EQ(sense_of(parse_extended_copy(list.lid1(), kLid1)), "05/26/00");
  list = one_segment();
  list.segments[0][3] = std::byte{23};  // DESCRIPTOR LENGTH
  EXPECT_EQ(sense_of(parse_extended_copy(list.lid1(), kLid1)), "05/26/00");
  list = one_segment();
  list.segments[0][1] = std::byte{0x04};  // FCO
  EXPECT_EQ(sense_of(parse_extended_copy(list.lid1(), kLid1)), "05/26/00");
  Bytes with_inline = one_segment().lid1();
  with_inline[15] = std::byte{1};
  with_inline.push_back(std::byte{0});
  EXPECT_EQ(sense_of(parse_extended_copy(with_inline, kLid1)), "05/26/0b");
  Bytes other_format = one_segment().lid4();
  other_format[0] = std::byte{0};
  EXPECT_EQ(sense_of(parse_extended_copy(other_format, kLid4)), "05/26/00");
}

TEST(CopyParameters, RangesOfATokenAreJudged) {
  const auto sense = [](const std::vector<Range>& ranges) {
    return sense_of(parse_populate_token(populate_list(ranges), kDisk));
  };
  EXPECT_EQ(sense({{0, 8}, {100, 8}}), "fine");
  EXPECT_EQ(sense({{8, 8}, {0, 8}}), "fine") << "in any order";
  EXPECT_EQ(sense({{0, 8}, {7, 8}}), "05/26/00") << "they overlap";
  EXPECT_EQ(sense({{(1 << 20) - 1, 2}}), "05/21/00");
  EXPECT_EQ(sense({{0, 0}}), "05/26/00") << "a token of nothing";
  EXPECT_EQ(sense({}), "05/26/00");
  EXPECT_EQ(sense({{0, kMaximumTokenBytes / 512}}), "fine");
  EXPECT_EQ(sense({{0, kMaximumTokenBytes / 512 + 1}}), "05/26/00");
  std::vector<Range> many;
  for (uint32_t i = 0; i < kMaximumTokenRanges; ++i) many.push_back({i * 8, 4});
  EXPECT_EQ(sense(many), "fine");
  many.push_back({10000, 4});
  EXPECT_EQ(sense(many), "05/26/00");
  const Bytes whole = populate_list({{0, 8}});
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(sense_of(parse_populate_token(std::span(whole).first(size), kDisk)), "05/1a/00");
  }
}

TEST(CopyParameters, TypesOfTokens) {
  const auto type_of = [](uint32_t type, bool valid) {
    Bytes list = populate_list({{0, 8}});
    if (valid) list[2] = std::byte{2};  // RTV
    store_be(&list[8], type);
    const auto parsed = parse_populate_token(list, kDisk);
    const auto* populate = std::get_if<PopulateToken>(&parsed);
    return populate ? populate->type : 0;
  };
  EXPECT_EQ(type_of(0x12345678, false), rod_type::kPointInTime) << "not looked at";
  EXPECT_EQ(type_of(rod_type::kPointInTime, true), rod_type::kPointInTime);
  EXPECT_EQ(type_of(rod_type::kPointInTimeAny, true), rod_type::kPointInTime);
  EXPECT_EQ(type_of(0x00800001, true), rod_type::kPointInTimeChangeVulnerable);
  EXPECT_EQ(type_of(0x00800002, true), 0u) << "persistent";
  EXPECT_EQ(type_of(0x00010000, true), 0u) << "access upon reference";
}

TEST(CopyParameters, WriteUsingToken) {
  RodTokenData token{};
  token[0] = std::byte{7};
  const Bytes list = write_using_list(token, {{16, 8}, {0, 8}}, 5, 3);
  const auto parsed = parse_write_using_token(list, kDisk);
  const auto* write = std::get_if<WriteUsingToken>(&parsed);
  ASSERT_TRUE(write) << sense_of(parsed);
  EXPECT_TRUE(write->immed && write->delete_token);
  EXPECT_EQ(write->offset, 5u);
  EXPECT_EQ(write->token, token);
  ASSERT_EQ(write->ranges.size(), 2u);
  EXPECT_EQ(write->ranges[0].first, Lba(16));
  for (size_t size = 0; size < list.size(); ++size) {
    EXPECT_EQ(sense_of(parse_write_using_token(std::span(list).first(size), kDisk)), "05/1a/00");
  }
}

}  // namespace
}  // namespace swiftness::scsi::test
