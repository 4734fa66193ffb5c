// Boost.Asio is compiled once, here: every other file sees its declarations only
// (BOOST_ASIO_SEPARATE_COMPILATION), which halves the build.
#include <boost/asio/impl/src.hpp>
