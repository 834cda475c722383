#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace halfscope {

/// The folder of the file that this code lies in: the addon's, or a test program's.
std::filesystem::path own_folder();

/// Loads files of `folder` so that whoever asks for them by their bare names later finds them, although no search path leads there. TensorRT asks so for its builder's
/// kernels, whose file has another name inside (SONAME) than outside: loading it by its path is not enough. glibc remembers the name that a library was asked for by; so
/// a small library of ours asks, from a folder of links that is its search path for that moment. LD_LIBRARY_PATH, which is read when a process starts, would do the same.
/// Files that do not load are left to whoever needs them to tell of.
void know_by_bare_names(const std::filesystem::path& folder, const std::vector<std::string>& names);

}  // namespace halfscope
