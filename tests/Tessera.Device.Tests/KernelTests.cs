using Tessera.Devices;
using Tessera.Interop;

namespace Tessera.Device.Tests;

[Trait("Category", Card.Category)]
public sealed class KernelTests
{
    private const int Threads = 128;

    private static readonly CudaKernel<Arguments> Fill = new("Fill.cu", "fill", "FACTOR");
    private static readonly CudaKernel<TooShort> WrongFill = new("Fill.cu", "fill", "FACTOR");
    private static readonly CudaKernel<long> Broken = new("Broken.cu", "broken");
    private static readonly CudaKernel<TooShort> BrokenHere = new("Broken.cu", "broken");
    private static readonly CudaKernel<TooShort> Missing = new("Missing.cu", "missing");

    [Fact]
    public void A_kernel_gets_its_arguments_its_defines_and_its_shared_memory()
    {
        using var device = Card.Open();
        Assert.Equal(Expected(1000, 7 * 3), Run(device, 1000, 7, 3, Threads * sizeof(int)));
        Assert.Equal(Expected(1, -1), Run(device, 1, -1, 1, Threads * sizeof(int)));
        Assert.Equal(Expected(300, 10), Run(device, 300, 5, 2, 100 << 10));
        CudaFunction function = Fill.Prepare(device, new KernelVariant(3));
        Assert.InRange(function.Registers, 1, 255);
        Assert.Equal(0, function.LocalBytes);
        Assert.InRange(function.BlocksPerMultiprocessor(Threads, 100 << 10), 1, 2);
    }

    [Fact]
    public void An_empty_grid_and_a_device_that_plans_launch_nothing()
    {
        using var device = Card.Open();
        Fill.Launch(device, new KernelVariant(1), 0, Threads, 0, default);
        using var planning = (CudaDevice)device.ForPlanning();
        Fill.Launch(planning, new KernelVariant(1), 5, Threads, 0, default);
        device.Synchronize();
    }

    [Fact]
    public void A_variant_is_compiled_once_and_then_found_on_disk_even_if_the_file_was_damaged()
    {
        using var device = Card.Open();
        string folder = Path.Combine(Path.GetTempPath(), $"tessera-kernels-{Guid.NewGuid():N}");
        try
        {
            var cache = new KernelCache(folder);
            KernelSourceText source = KernelSourceText.Of(Fill, new KernelVariant(11));
            var first = new KernelCompiler(device.Card.Architecture, cache);
            byte[] image = first.Image(source);
            Assert.Equal(1, first.Compiled);
            var second = new KernelCompiler(device.Card.Architecture, cache);
            Assert.Equal(image, second.Image(source));
            Assert.Equal(0, second.Compiled);
            Assert.NotEqual(second.KeyOf(source), second.KeyOf(KernelSourceText.Of(Fill, new KernelVariant(12))));
            Assert.NotEqual(second.KeyOf(source), new KernelCompiler("sm_80", cache).KeyOf(source));
            Assert.NotEqual(second.KeyOf(source), second.KeyOf(source with { Headers = [("x.cuh", "")] }));

            string file = Path.Combine(folder, second.KeyOf(source) + ".cubin");
            File.WriteAllBytes(file, File.ReadAllBytes(file).AsSpan(0, 100));
            using var kernels = new CudaKernels(device.Context, second);
            Assert.NotEqual(0, kernels.Load(Fill, new KernelVariant(11), 24).Handle);
            Assert.Equal(1, second.Compiled);
            Assert.Equal(image, first.Image(source));
            Assert.Equal(1, first.Compiled);
            Assert.Contains("\"registers\": ", File.ReadAllText(Path.Combine(folder, second.KeyOf(source) + ".fill.json")), StringComparison.Ordinal);
            Assert.DoesNotContain(Directory.GetFiles(folder), name => !name.EndsWith(".cubin", StringComparison.Ordinal) && !name.EndsWith(".json", StringComparison.Ordinal));
        }
        finally
        {
            Directory.Delete(folder, true);
        }
    }

    [Fact]
    public void A_source_with_an_error_names_file_line_and_reason()
    {
        using var device = Card.Open();
        var error = Assert.Throws<CudaException>(() => BrokenHere.Prepare(device, default));
        Assert.StartsWith($"Broken.cu does not compile for {device.Card.Architecture}", error.Message, StringComparison.Ordinal);
        Assert.Contains("undeclared_function", error.Message, StringComparison.Ordinal);
        Assert.Contains("(3)", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_source_and_a_wrong_number_of_values_are_named()
    {
        using var device = Card.Open();
        Assert.Equal(
            "Missing.cu, which Missing.cu needs, is not a resource of Tessera.Device.Tests",
            Assert.Throws<CudaException>(() => Missing.Prepare(device, default)).Message);
        Assert.Equal(
            "fill is specialised by 1 numbers and was given 2",
            Assert.Throws<CudaException>(() => Fill.Prepare(device, new KernelVariant(1, 2))).Message);
        Assert.Contains("is not a resource of System.Private.CoreLib", Assert.Throws<CudaException>(() => Broken.Prepare(device, default)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Arguments_of_another_size_than_the_code_expects_are_refused()
    {
        using var device = Card.Open();
        Assert.SkipUnless(CudaCard.DriverVersion() >= 12_040, "the driver does not tell the size of parameters");
        Assert.Equal(
            "the arguments of fill (FACTOR=1) have 16 bytes in C# and 24 in Fill.cu",
            Assert.Throws<CudaException>(() => WrongFill.Prepare(device, new KernelVariant(1))).Message);
    }

    [Fact]
    public void A_launch_that_the_card_cannot_do_names_kernel_shape_and_free_memory()
    {
        using var device = Card.Open();
        using var target = new DeviceBuffer(device, DType.F32, 4);
        var arguments = new Arguments { Target = target.Address, Count = 4, Value = 1 };
        var error = Assert.Throws<CudaException>(() => Fill.Launch(device, new KernelVariant(4), (3, 2), 4096, 0, arguments));
        Assert.StartsWith(
            "cuLaunchKernelEx failed for kernel fill (FACTOR=4) with 3×2×1 blocks of 4096×1×1 threads and 0 shared bytes: CUDA_ERROR_INVALID_VALUE",
            error.Message, StringComparison.Ordinal);
        Assert.Contains("; cuda:0 has ", error.Message, StringComparison.Ordinal);
        Assert.Contains(
            "of which a block can have", Assert.Throws<CudaException>(() => Fill.Launch(device, new KernelVariant(4), 1, 32, 1 << 20, arguments)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_graph_replays_what_was_captured_with_the_bits_of_the_eager_run()
    {
        using var device = Card.Open();
        using var a = DeviceBuffer.Random(device, DType.F32, 5000, 1);
        using var eager = DeviceBuffer.Random(device, DType.F32, 5000, 2);
        using var replayed = DeviceBuffer.Random(device, DType.F32, 5000, 2);
        void Step(DeviceBuffer target)
        {
            Kernels.Residual.Accumulate(device, target.Elements, a.Elements, 5000);
            Kernels.Residual.Scale(device, target.Elements, 0.9f, 5000);
        }

        using var graph = Warm();
        Assert.Equal(2, graph.Nodes);
        for (int i = 0; i < 10; i++)
        {
            // What lies in device memory may change from replay to replay.
            a.Write(DeviceBuffer.Gaussians(5000, 10 + i));
            Step(eager);
            graph.Launch();
        }

        Assert.Equal(eager.Read(), replayed.Read());

        graph.Update(() => Step(eager));
        graph.Launch();
        Step(replayed);
        Assert.Equal(replayed.Read(), eager.Read());

        graph.Update(() => Kernels.Residual.Scale(device, eager.Elements, 2f, 5000));
        Assert.Equal(1, graph.Nodes);
        graph.Launch();
        Kernels.Residual.Scale(device, replayed.Elements, 2f, 5000);
        Assert.Equal(replayed.Read(), eager.Read());

        CudaGraph Warm()
        {
            using var other = DeviceBuffer.Random(device, DType.F32, 5000, 3);
            Step(other);
            float[] before = replayed.Read();
            CudaGraph captured = CudaGraph.Capture(device, () => Step(replayed));
            Assert.Equal(before, replayed.Read());
            return captured;
        }
    }

    [Fact]
    public void What_a_graph_cannot_hold_is_refused_and_the_device_goes_on()
    {
        using var device = Card.Open();
        using var arena = device.CreateArena("captured");
        nint there = arena.AllocateZeroed(4);
        int[] value = new int[1];
        Assert.Throws<InvalidOperationException>(() => CudaGraph.Capture(device, () => device.Upload<int>([1], there)));
        Assert.Throws<InvalidOperationException>(() => CudaGraph.Capture(device, () => device.Download<int>(there, value)));
        Assert.Throws<InvalidOperationException>(() => CudaGraph.Capture(device, device.Synchronize));
        Assert.Throws<InvalidOperationException>(() => CudaGraph.Capture(device, () => arena.Allocate(1L << 30)));
        device.Upload<int>([5], there);
        device.Download<int>(there, value);
        Assert.Equal(5, value[0]);
    }

    private static int[] Run(CudaDevice device, int count, int value, int factor, int sharedBytes)
    {
        using var arena = device.CreateArena("fill");
        nint target = arena.Allocate(count * sizeof(int));
        var arguments = new Arguments { Target = target, Count = count, Value = value };
        Fill.Launch(device, new KernelVariant(factor), (count + Threads - 1) / Threads, Threads, sharedBytes, arguments);
        int[] result = new int[count];
        device.Download<int>(target, result);
        return result;
    }

    private static int[] Expected(int count, int value) => [.. Enumerable.Range(0, count).Select(i => value + i)];

    private struct Arguments
    {
        public nint Target;
        public long Count;
        public int Value;
    }

    private readonly record struct TooShort(nint Target, long Count);
}
