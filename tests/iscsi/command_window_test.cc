#include "target/iscsi/command_window.h"

#include <gtest/gtest.h>

namespace swiftness::iscsi {
namespace {

using Arrival = CommandWindow::Arrival;

TEST(SerialLess, Wraps) {
  EXPECT_TRUE(serial_less(1, 2));
  EXPECT_FALSE(serial_less(2, 1));
  EXPECT_FALSE(serial_less(1, 1));
  EXPECT_TRUE(serial_less(0xffffffff, 0));
  EXPECT_TRUE(serial_less(0xfffffff0, 0x10));
  EXPECT_FALSE(serial_less(0x10, 0xfffffff0));
}

TEST(CommandWindow, ClassifiesAcrossTheWrap) {
  CommandWindow window(0xfffffffe, 4);
  EXPECT_EQ(window.max_cmd_sn(), 1u);
  EXPECT_EQ(window.classify(0xfffffffd), Arrival::outside);
  EXPECT_EQ(window.classify(0xfffffffe), Arrival::next);
  EXPECT_EQ(window.classify(0xffffffff), Arrival::early);
  EXPECT_EQ(window.classify(1), Arrival::early);
  EXPECT_EQ(window.classify(2), Arrival::outside);
  window.take();
  window.take();
  EXPECT_EQ(window.exp_cmd_sn(), 0u);
  EXPECT_EQ(window.classify(0), Arrival::next);
}

TEST(CommandWindow, ClosesWhileCommandsRunAndOpensAsTheyEnd) {
  CommandWindow window(1, 2);
  window.take();
  EXPECT_EQ(window.max_cmd_sn(), 2u) << "a granted window is not taken back";
  window.take();
  EXPECT_TRUE(window.exhausted());
  EXPECT_EQ(window.classify(3), Arrival::outside);
  window.release();
  EXPECT_EQ(window.max_cmd_sn(), 3u);
  EXPECT_EQ(window.classify(3), Arrival::next);
  window.grow(2);
  EXPECT_EQ(window.max_cmd_sn(), 5u);
}

TEST(CommandWindow, NeverShrinksOverFullTurnsOfItsNumbers) {
  CommandWindow window(0xffffff00, 32);
  uint32_t max = window.max_cmd_sn();
  uint32_t running = 0;
  for (uint32_t i = 0; i < 100000; ++i) {
    if ((i * 2654435761u >> 28) < 9 && !window.exhausted()) {
      EXPECT_EQ(window.classify(window.exp_cmd_sn()), Arrival::next);
      window.take();
      ++running;
    } else if (running > 0) {
      window.release();
      --running;
    }
    EXPECT_FALSE(serial_less(window.max_cmd_sn(), max));
    max = window.max_cmd_sn();
    EXPECT_EQ(max - window.exp_cmd_sn() + 1, 32 - running);
  }
}

}  // namespace
}  // namespace swiftness::iscsi
