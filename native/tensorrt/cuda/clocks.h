#pragma once

// How fast the GPU runs at this moment, from the driver's management library (NVML), loaded at run time and declared by hand.

#include <optional>
#include <string>
#include <vector>

namespace halfscope::cuda {

struct Clocks {
  unsigned processor_mhz = 0, memory_mhz = 0;
  std::optional<double> watts;
  std::optional<unsigned> celsius;
  /// Why the clocks are lower than they could be, in words.
  std::vector<std::string> throttle;
};

/// Of the GPU at this address of the bus ("0000:1b:00.0", as DeviceInfo has it). Nothing where there is no such library, or it does not tell the clocks; power, heat and
/// reasons are left out where it does not tell those. Takes milliseconds; safe from several threads.
std::optional<Clocks> read_clocks(const std::string& pci_bus);

/// NVML's bits as words; bits that are not known are given as a number.
std::vector<std::string> throttle_words(unsigned long long reasons);

}  // namespace halfscope::cuda
