using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

// Only blittable types cross the border; names given to the loader are resolved by NativeLibraries.
[assembly: DisableRuntimeMarshalling]
[assembly: DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
