#include "target/scsi/inquiry.h"

#include "backend/base/endian.h"
#include "tests/scsi/fixture.h"

namespace swiftness::scsi::test {
namespace {

Cdb standard(int allocation_length = 255) {
  return cdb({0x12, 0, 0, 0, allocation_length});
}
Cdb page(int code, int allocation_length = 255) {
  return cdb({0x12, 1, code, allocation_length >> 8, allocation_length & 0xff});
}

class Inquiry : public ScsiTest {
 protected:
  std::string data_of(const Cdb& cdb) { return hex(send(cdb).data_in); }
};

TEST_F(Inquiry, StandardData) {
  start();
  EXPECT_EQ(data_of(standard()),
            squeezed("00 00 06 12 5b 08 00 02"
                     "53574946544e4553"                  // SWIFTNES
                     "5649525455414c204449534b20202020"  // VIRTUAL DISK
                     "30303031"                          // 0001
                     "0000000000000000000000000000000000000000"
                     "0000 00a0 0960 0460 04c0 00000000 00000000"
                     "00000000000000000000000000000000000000000000"));
}

TEST_F(Inquiry, EveryAllocationLengthTruncatesAndNoneFails) {
  start({}, {.target_port = {"iqn.2026-11.org.swiftness:vm,t,0x0001", 1, 1}});
  for (int code : {-1, 0x00, 0x80, 0x83, 0x86, 0x87, 0x88, 0x8f, 0xb0, 0xb1, 0xb2}) {
    auto inquiry = [code](int length) { return code < 0 ? standard(length) : page(code, length); };
    std::string whole = data_of(inquiry(255));
    for (int length = 0; length < 256; ++length) {
      EXPECT_EQ(data_of(inquiry(length)), whole.substr(0, static_cast<size_t>(length) * 2))
          << code << " cut to " << length;
    }
  }
}

TEST_F(Inquiry, RejectsAPageCodeWithoutEvpd) {
  start();
  EXPECT_EQ(hex(send(cdb({0x12, 0, 0x83, 0, 255})).sense),
            squeezed("70 00 05 00000000 0a 00000000 2400 00 c00002"));
}

TEST_F(Inquiry, RejectsAPageThatDoesNotExist) {
  start();
  EXPECT_EQ(sense_of(page(0xb9)), "05/24/00");
}

TEST_F(Inquiry, SupportedPagesAscend) {
  start();
  EXPECT_EQ(data_of(page(0x00)), squeezed("00 00 000a 00 80 83 86 87 88 8f b0 b1 b2"));
}

TEST_F(Inquiry, EverySupportedPageSaysItsOwnLength) {
  start();
  for (int code : {0x00, 0x80, 0x83, 0x86, 0x87, 0x88, 0x8f, 0xb0, 0xb1, 0xb2}) {
    Buffer data = send(page(code, 1024)).data_in.flatten();
    EXPECT_EQ(static_cast<int>(data.bytes()[1]), code);
    EXPECT_EQ(load_be<uint16_t>(data.data() + 2), data.size() - 4);
  }
}

TEST_F(Inquiry, SerialNumberIsTheVolumesUuid) {
  start();
  EXPECT_EQ(
      data_of(page(0x80)),
      squeezed("00 80 0020") +
          to_hex(std::as_bytes(std::span(std::string_view("0123456789abcdef0123456789abcdef")))));
}

TEST_F(Inquiry, SerialAndProductMayBeGiven) {
  start({.product = "BACKUP", .serial = "S1"});
  EXPECT_EQ(data_of(page(0x80)), squeezed("00 80 0002 5331"));
  EXPECT_EQ(data_of(standard()).substr(32, 32), "4241434b555020202020202020202020");
}

// SHA-256 of the UUID 01234567-89ab-cdef-0123-456789abcdef begins 223e0a160af9da0a03e6dd2c4719c56f
// 5d66a633cb. These bytes are what hosts remember a disk by: they never change.
constexpr std::string_view kDesignatorsOfTheUnit =
    "01 03 00 10 60253572 3e0a160af9da0a03e6dd2c47"
    "02 01 00 28 53574946544e4553"
    "3031323334353637383961626364656630313233343536373839616263646566"
    "01 02 00 08 025357 5d66a633cb"
    "03 08 00 28 6e61612e3630323533353732334530413136304146394441304130334536444432433437 00000000";

TEST_F(Inquiry, DeviceIdentificationStartsWithTheNaaName) {
  start();
  EXPECT_EQ(data_of(page(0x83)), squeezed("00 83 0078") + squeezed(kDesignatorsOfTheUnit));
}

TEST_F(Inquiry, DeviceIdentificationNamesThePortOfTheNexus) {
  start({}, {.target_port = {"iqn.x,t,0x0001", 1, 2}});
  EXPECT_EQ(data_of(page(0x83)), squeezed("00 83 00a8") + squeezed(kDesignatorsOfTheUnit) +
                                     squeezed("51 94 00 04 0000 0001"
                                              "51 95 00 04 0000 0002"
                                              "53 98 00 10 69716e2e782c742c3078303030310000"
                                              "53 a8 00 08 69716e2e78000000"));
}

TEST_F(Inquiry, WithoutAUrlThereIsNoManagementNetworkAddress) {
  start();
  EXPECT_EQ(data_of(page(0x00)), squeezed("00 00 000a 00 80 83 86 87 88 8f b0 b1 b2"));
  EXPECT_EQ(sense_of(page(0x85)), "05/24/00");
}

TEST_F(Inquiry, ManagementNetworkAddressesNameTheUrl) {
  start({.management_url = "http://gw/"});
  EXPECT_EQ(data_of(page(0x00)), squeezed("00 00 000b 00 80 83 85 86 87 88 8f b0 b1 b2"));
  EXPECT_EQ(data_of(page(0x85)), squeezed("00 85 0010 41 00 000c 687474703a2f2f67772f 0000"));
}

TEST_F(Inquiry, BlockLimitsFor512ByteBlocks) {
  start();
  EXPECT_EQ(data_of(page(0xb0)), squeezed("00 b0 003c 01 80 0008 00002000 00000800 00000000"
                                          "ffffffff 00000100 00000008 80000000"
                                          "0000000000008000 00002000 00000000 00000000"
                                          "00000000 00000000"));
}

TEST(BlockLimits, For4096ByteBlocks) {
  Geometry geometry{4096, BlockCount(1000), Uuid{}};
  EXPECT_EQ(hex(*vpd_page(0xb0, Identity{}, TargetPort{}, geometry)),
            squeezed("00 b0 003c 01 80 0001 00000400 00000100 00000000"
                     "ffffffff 00000100 00000001 80000000"
                     "0000000000001000 00000400 00000000 00000000"
                     "00000000 00000000"));
}

TEST_F(Inquiry, CharacteristicsSayNonRotating) {
  start();
  EXPECT_EQ(data_of(page(0xb1)), squeezed("00 b1 003c 0001 00 40") + std::string(56 * 2, '0'));
}

TEST_F(Inquiry, ProvisioningIsThinWithUnmapAndZeros) {
  start();
  EXPECT_EQ(data_of(page(0xb2)), squeezed("00 b2 0004 0b e4 02 00"));
}

TEST_F(Inquiry, ExtendedDataAndModePagePolicy) {
  start();
  EXPECT_EQ(data_of(page(0x86)), squeezed("00 86 003c 00 07 01 01") + std::string(56 * 2, '0'));
  EXPECT_EQ(data_of(page(0x87)), squeezed("00 87 0004 3f ff 00 00"));
}

TEST_F(Inquiry, AllPortsOfTheTarget) {
  start({.target_ports = {{"iqn.x,t,0x0001", 1, 1}, {"iqn.x,t,0x0002", 2, 1}}});
  EXPECT_EQ(data_of(page(0x88)),
            squeezed("00 88 0040"
                     "0000 0001 0000 0000 0000 0014 53 98 00 10 69716e2e782c742c3078303030310000"
                     "0000 0002 0000 0000 0000 0014 53 98 00 10 69716e2e782c742c3078303030320000"));
}

}  // namespace
}  // namespace swiftness::scsi::test
