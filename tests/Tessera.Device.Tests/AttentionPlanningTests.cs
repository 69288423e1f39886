using Tessera.Devices;
using Tessera.Kernels;

namespace Tessera.Device.Tests;

/// <summary>What attention takes of a card's memory is known without a card.</summary>
public sealed unsafe class AttentionPlanningTests
{
    private static readonly CudaCard H100 = new(0, "planned", 9, 0, 80L << 30, 132, 232_448, 50 << 20, true);

    [Theory]
    [InlineData(1, 256, 0, 0)]
    [InlineData(1, 257, 0, 2 * 32 * 130 * 4)]
    [InlineData(8, 1000, 0, 8 * 4 * 32 * 130 * 4)]
    [InlineData(8, 100_000, 1024, 8 * 5 * 32 * 130 * 4)]
    public void Decoding_plans_room_for_its_parts(int sequences, int keys, int window, long bytes)
    {
        using var device = CudaDevice.Planned(H100, DType.BF16);
        Forward(device, new(32, 8, 128) { Window = window }, new(sequences, sequences, 1, keys), null);
        Assert.InRange(device.Scratch.HighWaterBytes, bytes, bytes + (2 * 256));
    }

    [Fact]
    public void Room_for_parts_is_limited_however_many_sequences_decode()
    {
        using var device = CudaDevice.Planned(H100, DType.BF16);
        Forward(device, new(32, 8, 128), new(4096, 4096, 1, 131_072), null);
        Assert.InRange(device.Scratch.HighWaterBytes, 1L << 20, (64L << 20) + 512);
    }

    [Fact]
    public void A_forward_that_keeps_its_log_sum_exp_has_no_parts()
    {
        using var device = CudaDevice.Planned(H100, DType.BF16);
        Forward(device, new(32, 8, 128), new(4, 4096, 1024, 1024), (float*)4096);
        Assert.Equal(0, device.Scratch.HighWaterBytes);
    }

    [Theory]
    [InlineData(128, 8, (32 * 128) + 8)]
    [InlineData(96, 7, (28 * 128) + 4)]
    [InlineData(64, 8, (32 * 64) + 8)]
    [InlineData(48, 8, 0)]
    public void The_backward_in_one_kernel_plans_room_for_sums_of_query_gradients(int headDim, int group, int perToken)
    {
        const int Tokens = 3000;
        int kvHeads = group == 7 ? 4 : 8, heads = group == 7 ? 28 : 32;
        using var device = CudaDevice.Planned(H100, DType.BF16);
        var shape = new AttentionShape(heads, kvHeads, headDim);
        var elements = new Elements(4096, DType.BF16);
        long width = (long)heads * headDim;
        Attention.Backward(
            device, shape, elements, shape.PackedWidth, null, new(2, Tokens, 2000, 2000), elements, elements, shape.PackedWidth, elements,
            elements, width, (float*)4096, elements, elements, elements, shape.PackedWidth);
        long delta = (long)Tokens * heads * sizeof(float), bytes = delta + ((long)Tokens * perToken * sizeof(float));
        Assert.InRange(device.Scratch.HighWaterBytes, bytes, bytes + (4 * 4096));
    }

    [Fact]
    public void Elements_of_other_types_than_the_queries_are_refused()
    {
        using var device = CudaDevice.Planned(H100, DType.BF16);
        var halves = new Elements(4096, DType.BF16);
        var floats = new Elements(4096, DType.F32);
        string message = Assert.Throws<ArgumentException>(() => Attention.Forward(
            device, new(2, 1, 16), halves, 64, null, new(1, 4, 4, 4), halves, halves, 64, floats, 32, null)).Message;
        Assert.Contains("one type, not bf16 and f32", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_head_beyond_the_shared_memory_is_refused_with_a_sentence()
    {
        using var device = CudaDevice.Planned(H100, DType.BF16);
        string message = Assert.Throws<ArgumentException>(() => Forward(device, new(1, 1, 4096), new(1, 2, 2, 2), null)).Message;
        Assert.Contains("head dimension 4096 needs", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(128, 128 * 6, 4096, 8)]
    [InlineData(128, (128 * 6) + 4, 4096, 4)]
    [InlineData(10, 40, 4096, 2)]
    [InlineData(128, 1025, 4096, 1)]
    [InlineData(128, 1024, 4096 + 8, 4)]
    [InlineData(128, 1024, 4096 + 2, 1)]
    public void Alignment_follows_from_widths_strides_and_addresses(int headDim, int stride, int address, int expected) =>
        Assert.Equal(expected, AttentionAlignment.Of((uint)headDim | (uint)stride, new Elements(address, DType.BF16)));

    private static void Forward(CudaDevice device, AttentionShape shape, AttentionBounds bounds, float* logSumExp)
    {
        var elements = new Elements(4096, DType.BF16);
        Attention.Forward(
            device, shape, elements, shape.PackedWidth, null, bounds, elements, elements, shape.PackedWidth, elements,
            (long)shape.Heads * shape.HeadDim, logSumExp);
    }
}
