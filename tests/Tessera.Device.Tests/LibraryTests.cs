using Tessera.Devices;
using Tessera.Interop;

namespace Tessera.Device.Tests;

/// <summary>What needs no card: libraries that are not there, structures of the C interfaces, devices that plan.</summary>
public sealed class LibraryTests
{
    [Fact]
    public void A_missing_library_is_named_with_the_files_and_folders_that_were_tried()
    {
        LibraryFolders nothing = LibraryFolders.Only("/no/such/folder", "/nor/this");
        foreach (NativeLibraryFile file in (NativeLibraryFile[])[NativeLibraries.DriverFile, NativeLibraries.NvrtcFile(), NativeLibraries.CublasLtFile(12)])
        {
            Assert.Null(file.Load(nothing));
            var missing = Assert.Throws<DllNotFoundException>(() => file.Require(nothing));
            Assert.Equal(
                $"{file.Name} was not found: tried {string.Join(", ", file.FileNames)} in /no/such/folder, /nor/this", missing.Message);
        }
    }

    [Fact]
    public void A_library_is_of_the_drivers_major_version_or_older()
    {
        Assert.Equal(["libnvrtc.so.13", "libnvrtc.so.12"], NativeLibraries.NvrtcFile().FileNames);
        Assert.Equal(["libcublasLt.so.12"], NativeLibraries.CublasLtFile(12).FileNames);
    }

    [Fact]
    public void A_library_is_found_in_the_folders_of_a_toolkit()
    {
        string folder = Directory.CreateTempSubdirectory("tessera-libraries-").FullName;
        try
        {
            // Any shared library serves as content, but one without state: a second libc in a process has an allocator of its own.
            string content = File.ReadLines("/proc/self/maps").Select(line => line[Math.Max(0, line.IndexOf('/', StringComparison.Ordinal))..])
                .First(path => Path.GetFileName(path).StartsWith("libm.so", StringComparison.Ordinal));
            File.Copy(content, Path.Combine(folder, "libnvrtc.so.12"));
            var found = NativeLibraries.NvrtcFile().Load(LibraryFolders.Only("/no/such/folder", folder));
            Assert.Equal(Path.Combine(folder, "libnvrtc.so.12"), found!.Value.Path);
        }
        finally
        {
            Directory.Delete(folder, true);
        }
    }

    [Fact]
    public unsafe void Structures_have_the_sizes_of_the_headers()
    {
        Assert.Equal(32, sizeof(CudaAllocation));
        Assert.Equal(8, sizeof(CudaLocation));
        Assert.Equal(12, sizeof(CudaAccess));
        Assert.Equal(56, sizeof(CudaLaunchConfig));
        Assert.Equal(72, sizeof(CudaLaunchAttribute));
        Assert.Equal(24, sizeof(CudaGraphUpdate));
        Assert.Equal(64, sizeof(CublasLtAlgorithm));
        Assert.Equal(96, sizeof(CublasLtHeuristic));
        CudaAllocation allocation = default;
        Assert.Equal(8, (byte*)&allocation.Location - (byte*)&allocation);
        CudaLaunchConfig config = default;
        Assert.Equal(32, (byte*)&config.Stream - (byte*)&config);
        Assert.Equal(48, (byte*)&config.AttributeCount - (byte*)&config);
    }

    [Fact]
    public void A_card_that_is_not_here_can_be_planned_for()
    {
        var card = new CudaCard(0, "planned", 9, 0, 80L << 30, 132, 227 << 10, 50L << 20, true);
        using var device = CudaDevice.Planned(card, DType.BF16);
        Assert.True(device.IsPlanning);
        Assert.Equal(DType.BF16, device.ActivationType);
        Assert.Equal("sm_90a", card.Architecture);
        using var arena = device.CreateArena("weights");
        arena.Allocate(70L << 30);
        Kernels.Residual.Add(device, default, default, default, 1000);
        device.Upload<int>([1, 2], arena.AllocateZeroed(8));
        device.Synchronize();
        Assert.Equal(device.Stream.Workspace(device), device.Stream.Workspace(device));
        Assert.InRange(arena.HighWaterBytes, 70L << 30, (70L << 30) + 4096);
    }

    [Theory]
    [InlineData(7, 5, true, "an old card has compute capability 7.5, and 8.0 or newer is needed")]
    [InlineData(9, 0, false, "an old card cannot map memory into reserved addresses here")]
    public void A_card_that_cannot_serve_is_refused_by_name(int major, int minor, bool maps, string objection) =>
        Assert.Equal(objection, new CudaCard(0, "an old card", major, minor, 1L << 34, 40, 64 << 10, 4 << 20, maps).Objection());

    [Theory]
    [InlineData("cuda:")]
    [InlineData("cuda:x")]
    [InlineData("cuda:-1")]
    [InlineData("tpu")]
    public void Unknown_names_are_refused_with_those_there_are(string name) => Assert.Equal(
        $"--device {name}: expected cpu, cuda or cuda:N", Assert.Throws<ArgumentException>(() => Devices.Device.Open(name, 1)).Message);

    [Fact]
    public void Variants_are_equal_by_value_and_hold_eight_numbers()
    {
        Assert.Equal(new KernelVariant(1, 2), new KernelVariant(1, 2));
        Assert.NotEqual(new KernelVariant(1, 2), new KernelVariant(1, 2, 0));
        Assert.NotEqual(new KernelVariant(1, 2), new KernelVariant(2, 1));
        Assert.Equal(new KernelVariant(1, 2).GetHashCode(), new KernelVariant(1, 2).GetHashCode());
        Assert.Throws<ArgumentOutOfRangeException>(() => new KernelVariant(1, 2, 3, 4, 5, 6, 7, 8, 9));
    }
}
