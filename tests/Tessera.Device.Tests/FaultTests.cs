using System.Diagnostics;
using Tessera.Devices;
using Tessera.Interop;

namespace Tessera.Device.Tests;

/// <summary>An access outside of memory ends a context, so it happens in a child process.</summary>
[Trait("Category", Card.Category)]
public sealed class FaultTests
{
    private const string Variable = "TESSERA_FAULT_CHILD";
    private const int Threads = 32;

    private static readonly CudaKernel<Arguments> Fill = new("Fill.cu", "fill", "FACTOR");

    [Fact]
    public void With_the_debug_switch_an_illegal_access_names_its_kernel_and_shape() => RunChild(
        "1", "cuStreamSynchronize failed for kernel fill (FACTOR=2) with 4×1×1 blocks of 32×1×1 threads and 128 shared bytes: CUDA_ERROR_ILLEGAL_ADDRESS");

    [Fact]
    public void Without_it_the_next_wait_reports_the_error() =>
        RunChild("0", "failed for work that was asked for before: CUDA_ERROR_ILLEGAL_ADDRESS");

    [Fact]
    public void Child_that_faults()
    {
        Assert.SkipUnless(Environment.GetEnvironmentVariable(Variable) == "1", "only a child process of the other tests faults on purpose");
        var device = Card.Open();
        var arguments = new Arguments { Target = 4096, Count = 100, Value = 1 };
        var error = Assert.Throws<CudaException>(() =>
        {
            Fill.Launch(device, new KernelVariant(2), 4, Threads, Threads * sizeof(int), arguments);
            device.Synchronize();
        });
        Console.WriteLine($"message: {error.Message}");

        // Nothing that gives memory back may hide the error.
        device.Dispose();
    }

    private static void RunChild(string waits, string expected)
    {
        Card.Require();
        var info = new ProcessStartInfo(Environment.ProcessPath!, ["-noLogo", "-noColor", "-showLiveOutput", "-method", "*Child_that_faults"])
        {
            RedirectStandardOutput = true,
            WorkingDirectory = AppContext.BaseDirectory,
        };
        info.Environment[Variable] = "1";
        info.Environment["TESSERA_CUDA_SYNC"] = waits;
        using var child = Process.Start(info)!;
        string output = child.StandardOutput.ReadToEnd();
        child.WaitForExit();
        Assert.Contains(expected, output, StringComparison.Ordinal);
        Assert.True(child.ExitCode == 0, output);
    }

    private struct Arguments
    {
        public nint Target;
        public long Count;
        public int Value;
    }
}
