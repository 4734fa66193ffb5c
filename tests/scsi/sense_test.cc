#include "target/scsi/sense.h"

#include <gtest/gtest.h>

#include "tests/scsi/fixture.h"

namespace swiftness::scsi::test {
namespace {

std::string fixed(const Sense& sense) {
  return hex(encode(sense, SenseFormat::fixed));
}
std::string descriptor(const Sense& sense) {
  return hex(encode(sense, SenseFormat::descriptor));
}

TEST(Sense, NoSenseIsEighteenBytesOfFixedFormat) {
  EXPECT_EQ(fixed(Sense{}), squeezed("70 00 00 00000000 0a 00000000 0000 00 000000"));
  EXPECT_EQ(descriptor(Sense{}), squeezed("72 00 00 00 000000 00"));
}

TEST(Sense, CarriesKeyAndAdditionalSense) {
  Sense sense{SenseKey::data_protect, asc::kSpaceAllocationFailed};
  EXPECT_EQ(fixed(sense), squeezed("70 00 07 00000000 0a 00000000 2707 00 000000"));
  EXPECT_EQ(descriptor(sense), squeezed("72 07 27 07 000000 00"));
}

TEST(Sense, PointsAtAFieldOfTheCdb) {
  Sense sense = invalid_field_in_cdb(7);
  EXPECT_EQ(fixed(sense), squeezed("70 00 05 00000000 0a 00000000 2400 00 c00007"));
  EXPECT_EQ(descriptor(sense), squeezed("72 05 24 00 000000 08  02 06 0000 c00007 00"));
}

TEST(Sense, PointsAtABitOfTheCdb) {
  EXPECT_EQ(fixed(invalid_field_in_cdb(1, 4)),
            squeezed("70 00 05 00000000 0a 00000000 2400 00 cc0001"));
}

TEST(Sense, PointsAtAFieldOfTheParameterList) {
  EXPECT_EQ(fixed(invalid_field_in_parameter_list(0x102)),
            squeezed("70 00 05 00000000 0a 00000000 2600 00 800102"));
}

TEST(Sense, InformationNamesTheLba) {
  EXPECT_EQ(fixed(lba_out_of_range(0x12345678)),
            squeezed("f0 00 05 12345678 0a 00000000 2100 00 000000"));
  EXPECT_EQ(descriptor(lba_out_of_range(0x12345678)),
            squeezed("72 05 21 00 000000 0c  00 0a 80 00 0000000012345678"));
}

TEST(Sense, FixedFormatLeavesOutWhatDoesNotFit) {
  EXPECT_EQ(fixed(lba_out_of_range(uint64_t{1} << 32)),
            squeezed("70 00 05 00000000 0a 00000000 2100 00 000000"));
  EXPECT_EQ(descriptor(lba_out_of_range(uint64_t{1} << 32)),
            squeezed("72 05 21 00 000000 0c  00 0a 80 00 0000000100000000"));
}

}  // namespace
}  // namespace swiftness::scsi::test
