#include "target/iscsi/text_keys.h"

#include <gtest/gtest.h>

#include "target/iscsi/text_exchange.h"

namespace swiftness::iscsi {
namespace {

std::string nul_separated(std::initializer_list<std::string_view> pairs) {
  std::string text;
  for (std::string_view pair : pairs) text.append(pair).append(1, '\0');
  return text;
}

TEST(TextKeys, ParsesPairsInOrder) {
  auto keys = TextKeys::parse(nul_separated({"A=1", "B=x=y", "C="}));
  ASSERT_TRUE(keys.ok());
  ASSERT_EQ(keys->all().size(), 3u);
  EXPECT_EQ(*keys->find("A"), "1");
  EXPECT_EQ(*keys->find("B"), "x=y");
  EXPECT_EQ(*keys->find("C"), "");
  EXPECT_EQ(keys->find("D"), nullptr);
}

TEST(TextKeys, ForgivesAMissingLastNulAndEmptyPairs) {
  EXPECT_TRUE(TextKeys::parse("A=1").ok());
  EXPECT_TRUE(TextKeys::parse(std::string("A=1\0\0\0\0", 7)).ok());
  EXPECT_TRUE(TextKeys::parse("").ok());
}

TEST(TextKeys, RefusesGarbageDuplicatesAndTooMuch) {
  EXPECT_FALSE(TextKeys::parse("no equals sign").ok());
  EXPECT_FALSE(TextKeys::parse("=value").ok());
  EXPECT_FALSE(TextKeys::parse("bad name=1").ok());
  EXPECT_FALSE(TextKeys::parse(nul_separated({"A=1", "A=1"})).ok());
  EXPECT_FALSE(TextKeys::parse(std::string(64, 'K') + "=1").ok());
  EXPECT_TRUE(TextKeys::parse(std::string(63, 'K') + "=1").ok());
  EXPECT_FALSE(TextKeys::parse("A=" + std::string(8191, 'x')).ok());
  EXPECT_TRUE(TextKeys::parse("A=" + std::string(8190, 'x')).ok());
  std::string many;
  for (int i = 0; i < 64; ++i) append_key(many, "K" + std::to_string(i), "1");
  EXPECT_TRUE(TextKeys::parse(many).ok());
  append_key(many, "K64", "1");
  EXPECT_FALSE(TextKeys::parse(many).ok());
}

TEST(TextKeys, Numbers) {
  EXPECT_EQ(parse_number("0"), 0u);
  EXPECT_EQ(parse_number("65536"), 65536u);
  EXPECT_EQ(parse_number("0x10000"), 65536u);
  EXPECT_EQ(parse_number("4294967295"), 4294967295u);
  for (std::string_view bad : {"", "-1", "+1", "4294967296", "12a", "0x", "0xfffffffff", " 1"}) {
    EXPECT_EQ(parse_number(bad), std::nullopt) << bad;
  }
}

TEST(TextKeys, BinaryValues) {
  auto bytes = [](std::initializer_list<int> values) {
    Bytes out;
    for (int value : values) out.push_back(static_cast<std::byte>(value));
    return out;
  };
  EXPECT_EQ(parse_binary("0x00ff", 2), bytes({0, 255}));
  EXPECT_EQ(parse_binary("0XaBcD", 2), bytes({0xab, 0xcd}));
  EXPECT_EQ(parse_binary("0x", 2), bytes({}));
  EXPECT_EQ(parse_binary("0bAQID", 3), bytes({1, 2, 3}));
  EXPECT_EQ(parse_binary("0BAQI=", 2), bytes({1, 2}));
  EXPECT_EQ(parse_binary("0bAQ==", 1), bytes({1}));
  EXPECT_EQ(parse_binary("0b", 1), bytes({}));
  for (std::string_view bad :
       {"", "0", "00ff", "0x0", "0x0g", "0x-1", "0x+1", "0x000102", "0bAQ",
        "0bAQ=", "0bA===", "0b====", "0bA=QI", "0bAQI=AQID", "0bA\nID", "0bAQIDAQ=="}) {
    EXPECT_EQ(parse_binary(bad, 2), std::nullopt) << bad;
  }
}

TEST(TextAssembly, IsBounded) {
  TextAssembly text;
  EXPECT_TRUE(text.add(std::string(8000, 'a')));
  EXPECT_FALSE(text.add(std::string(193, 'a')));
  EXPECT_TRUE(text.add(std::string(192, 'a')));
}

// --- text in full feature phase, over many PDUs

TextRequest request(uint8_t flags, uint32_t tag) {
  TextRequest pdu;
  pdu.flags = flags;
  pdu.initiator_task_tag = 1;
  pdu.target_transfer_tag = tag;
  return pdu;
}

TEST(TextExchange, CutsALongAnswerAndWaitsForEachNextRequest) {
  TextExchange exchange;
  std::string whole = "X=" + std::string(1200, 'v') + std::string(1, '\0');
  auto respond = [&](const TextKeys&) { return whole; };
  auto first = exchange.receive(request(kFinal, kReservedTag), "SendTargets=All", 512, respond);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->text.size(), 512u);
  EXPECT_EQ(first->header.flags, kContinue);
  uint32_t tag = first->header.target_transfer_tag;
  EXPECT_NE(tag, kReservedTag);
  auto second = exchange.receive(request(kFinal, tag), "", 512, respond);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->header.flags, kContinue);
  auto third = exchange.receive(request(kFinal, tag), "", 512, respond);
  ASSERT_TRUE(third);
  EXPECT_EQ(third->header.flags, kFinal);
  EXPECT_EQ(third->header.target_transfer_tag, kReservedTag);
  EXPECT_EQ(first->text + second->text + third->text, whole);
  EXPECT_FALSE(exchange.receive(request(kFinal, tag), "", 512, respond)) << "a dead tag";
}

TEST(TextExchange, AssemblesALongRequest) {
  TextExchange exchange;
  std::string seen;
  auto respond = [&](const TextKeys& keys) {
    seen = *keys.find("SendTargets");
    return std::string("T=1");
  };
  auto first = exchange.receive(request(kContinue, kReservedTag), "SendTar", 8192, respond);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->header.flags, 0);
  EXPECT_TRUE(first->text.empty());
  auto second = exchange.receive(request(kFinal, first->header.target_transfer_tag), "gets=All",
                                 8192, respond);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->header.flags, kFinal);
  EXPECT_EQ(seen, "All");
}

// 11.10.4
TEST(TextExchange, AReservedTagBeginsAnew) {
  TextExchange exchange;
  std::string seen;
  auto respond = [&](const TextKeys& keys) {
    for (const TextKey& key : keys.all()) seen += key.name + ",";
    return "T=" + std::string(600, 'v');
  };
  ASSERT_TRUE(exchange.receive(request(kContinue, kReservedTag), "Send", 512, respond));
  auto answer = exchange.receive(request(kFinal, kReservedTag), "A=1", 512, respond);
  ASSERT_TRUE(answer);
  EXPECT_EQ(seen, "A,") << "without what was begun before";
  EXPECT_EQ(answer->header.flags, kContinue);
  ASSERT_TRUE(exchange.receive(request(kFinal, kReservedTag), "B=1", 512, respond));
  EXPECT_EQ(seen, "A,B,") << "though the answer before had not ended";
}

// 6.2: who is told that more follows asks for it with an empty request.
TEST(TextExchange, NothingElseIsAskedBeforeTheWholeAnswerCame) {
  for (uint8_t flags : {kFinal, kContinue}) {
    TextExchange exchange;
    auto respond = [](const TextKeys&) { return "T=" + std::string(600, 'v'); };
    auto first = exchange.receive(request(kFinal, kReservedTag), "A=1", 512, respond);
    ASSERT_TRUE(first);
    const uint32_t tag = first->header.target_transfer_tag;
    EXPECT_FALSE(exchange.receive(request(flags, tag), flags == kFinal ? "B=1" : "", 512, respond));
  }
}

TEST(TextExchange, RefusesWhatBreaksTheRules) {
  TextExchange exchange;
  auto respond = [](const TextKeys&) { return std::string("T=1"); };
  EXPECT_FALSE(exchange.receive(request(kFinal | kContinue, kReservedTag), "A=1", 512, respond));
  EXPECT_FALSE(exchange.receive(request(kFinal, 77), "A=1", 512, respond));
  EXPECT_FALSE(exchange.receive(request(kFinal, kReservedTag), "garbage", 512, respond));
  uint32_t tag = kReservedTag;
  bool refused = false;
  for (int i = 0; i < 3 && !refused; ++i) {  // endless continuation
    auto answer = exchange.receive(request(kContinue, tag), std::string(4000, 'x'), 512, respond);
    if (!answer) refused = true;
    if (answer) tag = answer->header.target_transfer_tag;
  }
  EXPECT_TRUE(refused);
}

}  // namespace
}  // namespace swiftness::iscsi
