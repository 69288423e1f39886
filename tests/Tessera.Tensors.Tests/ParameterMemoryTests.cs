using System.Runtime.InteropServices;
using Tessera.Devices;
using Tessera.Kernels;
using Tessera.TestSupport;

namespace Tessera.Tensors.Tests;

public sealed unsafe class ParameterMemoryTests : IDisposable
{
    private readonly CpuDevice _device = new(2);
    private readonly Arena _arena = new("test");

    [Fact]
    public void Products_read_the_working_copy_and_refuse_a_stale_one()
    {
        var weight = Filled(6, 10);
        Assert.Equal(DType.F32, weight.View.Type);
        weight.KeepWorking(_device, _arena);
        Assert.Equal((DType.BF16, weight.Working), (weight.View.Type, weight.View.Elements));
        Assert.Equal((DType.F32, weight.Address), (weight.Master.Type, weight.Master.Address));
        AssertWorkingIsRounded(weight);

        weight.Floats[7] = 3;
        weight.MarkChanged();
        var error = Assert.Throws<InvalidOperationException>(() => weight.View);
        Assert.Contains("weight was changed", error.Message, StringComparison.Ordinal);
        weight.RefreshWorking(_device);
        AssertWorkingIsRounded(weight);
        weight.DropWorking();
        Assert.Equal(DType.F32, weight.View.Type);
    }

    [Fact]
    public void A_step_of_the_optimiser_writes_the_working_copy_as_well()
    {
        Parameter plain = Filled(5, 9), doubled = Filled(5, 9);
        doubled.KeepWorking(_device, _arena);
        var settings = new AdamWSettings { LearningRate = 0.1, WeightDecay = 0.1, Step = 1 };
        foreach (var weight in (Parameter[])[plain, doubled])
        {
            weight.Train(_arena);
            new Span<float>(weight.Gradient.Floats, (int)weight.Count).Fill(0.3f);
            Elements first = (float*)_arena.AllocateZeroed(weight.Count * sizeof(float));
            Elements second = (float*)_arena.AllocateZeroed(weight.Count * sizeof(float));
            AdamW.Step(
                _device,
                [
                    new AdamWTensor
                    {
                        Parameter = weight.Elements,
                        Gradient = weight.Gradient,
                        FirstMoment = first,
                        SecondMoment = second,
                        Working = weight.Working,
                        Count = weight.Count,
                        Decays = weight.Decays,
                    },
                ],
                settings);
            weight.MarkUpdated();
        }

        Assert.Equal(Values(plain), Values(doubled));
        AssertWorkingIsRounded(doubled);
    }

    [Fact]
    public void A_product_by_a_working_copy_is_one_by_the_rounded_weight()
    {
        var weight = Filled(48, 32);
        var rounded = new Parameter("rounded", 48, 32, DType.BF16, _arena);
        Conversion.ToBf16(_device, weight.Floats, (ushort*)rounded.Address, weight.Count);
        weight.KeepWorking(_device, _arena);
        var executor = new Executor(_device, _arena, null);
        foreach (int tokens in (int[])[1, 40])
        {
            var input = executor.Allocate(tokens, 32);
            Fill(input.Data.Floats, input.Count, 3);
            Assert.Equal(Values(executor.Linear(input, rounded)), Values(executor.Linear(input, weight)));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(64)]
    public void The_host_writes_and_reads_rows_in_portions_of_whole_units(int unit)
    {
        // 40 MiB: more than one portion holds.
        const int Rows = 640, Columns = 16_384;
        using var guarded = new GuardedDevice(1);
        using var room = guarded.CreateArena("weights");
        var weight = new Parameter("weight", Rows, Columns, DType.F32, room);
        long version = weight.Version;
        var starts = new List<int>();
        weight.Write(
            0,
            Rows,
            (row, view) =>
            {
                starts.Add(row);
                Assert.True(row + view.Rows == Rows || view.Rows % unit == 0, $"{view.Rows} rows from {row}");
                for (int i = 0; i < view.Rows; i++)
                {
                    new Span<float>(view.Floats + ((long)i * Columns), Columns).Fill(row + i);
                }
            },
            unit);
        Assert.True(starts.Count > 1 && weight.Version > version);
        weight.Edit(100, 3, (row, view) => view.Floats[((2L - row) * Columns) + 5] = -1, unit: 3);
        int next = 90;
        weight.Read(90, 20, (row, view) =>
        {
            for (int i = 0; i < view.Rows; i++, next++)
            {
                var expected = new float[Columns];
                expected.AsSpan().Fill(next);
                expected[5] = next == 102 ? -1 : next;
                Assert.Equal(90 + row + i, next);
                Assert.True(new ReadOnlySpan<float>(view.Floats + ((long)i * Columns), Columns).SequenceEqual(expected));
            }
        });
        Assert.Equal(110, next);
    }

    [Fact]
    public void Rows_are_gathered_and_logits_are_f32()
    {
        var executor = new Executor(_device, _arena, null);
        var source = executor.Allocate(5, 7);
        Fill(source.Data.Floats, source.Count, 4);
        var some = executor.Gather(source, [4, 0, 4]);
        Assert.Equal((3, 7), (some.Rows, some.Columns));
        float[] values = Values(source);
        Assert.Equal([.. values[28..], .. values[..7], .. values[28..]], Values(some));
        var head = Filled(9, 7);
        var logits = executor.Logits(some, head);
        Assert.Equal((DType.F32, 3, 9, -1), (logits.Type, logits.Rows, logits.Columns, logits.Node));
        Assert.Equal(Values(executor.Linear(some, head)), Values(logits));
    }

    public void Dispose()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    private static void Fill(float* values, long count, ulong seed)
    {
        var random = new CounterRandom(seed);
        for (long i = 0; i < count; i++)
        {
            values[i] = random.NextGaussian();
        }
    }

    private static float[] Values(Parameter parameter) => new Span<float>(parameter.Floats, (int)parameter.Count).ToArray();

    private static float[] Values(Tensor tensor) => new Span<float>(tensor.Data.Floats, (int)tensor.Count).ToArray();

    private static void AssertWorkingIsRounded(Parameter weight)
    {
        var working = MemoryMarshal.Cast<byte, ushort>(new Span<byte>((void*)weight.Working.Address, (int)weight.Count * 2));
        Assert.Equal(Values(weight).Select(Bf16.Round), working.ToArray());
    }

    private Parameter Filled(int rows, int columns)
    {
        var weight = new Parameter("weight", rows, columns, DType.F32, _arena);
        Fill(weight.Floats, weight.Count, 2);
        weight.MarkChanged();
        return weight;
    }
}
