using Tessera.Devices;
using Tessera.Kernels;
using Tessera.TestSupport;

namespace Tessera.Device.Tests;

[Trait("Category", Card.Category)]
public sealed unsafe class EmbeddingCudaTests
{
    // Tokens, vocabulary, width: stretches of the sorted tokens that are not full, one round of the sort, two, three; runs over many stretches.
    private static readonly (int Tokens, int Vocabulary, int Width)[] Shapes =
        [(0, 5, 7), (1, 1, 1), (5, 11, 17), (31, 2, 8), (32, 3, 64), (33, 1, 40), (3000, 11, 64), (2049, 70_000, 16), (700, 1024, 520), (4000, 151_936, 33), (257, 1_200_000, 8)];

    public static TheoryData<DType, DType> Types => RowCases.Types;

    [Theory]
    [MemberData(nameof(Types))]
    public void Look_up_and_scatter_match_the_reference_with_the_same_bits_twice(DType type, DType weight)
    {
        using var device = Card.Open(type);
        foreach (var (tokens, vocabulary, width) in Shapes)
        {
            string what = $"{tokens} of {vocabulary}x{width}";
            int[] host = RowCases.Ids(tokens, vocabulary, 9);
            using var ids = new DeviceArray<int>(device, host);
            using var table = DeviceBuffer.Random(device, weight, (long)vocabulary * width, 1);
            using var output = new DeviceBuffer(device, type, (long)tokens * width);
            using var gradient = DeviceBuffer.Random(device, type, (long)tokens * width, 2);
            double[] rows = new double[tokens * width], sums = table.ReadWide();
            Embedding.ReferenceForward(host, sums, rows, width);
            Embedding.Forward(device, ids.Pointer, MatrixView.Of(table.Elements, vocabulary, width), output.Elements, tokens);
            Assert.Equal(RowCases.Singles(RowCases.Rounded(rows, type)), output.Read());

            Embedding.ReferenceBackward(host, gradient.ReadWide(), sums, width);
            float[] start = table.Read();
            Embedding.Backward(device, ids.Pointer, gradient.Elements, table.Elements, tokens, vocabulary, width);
            RowCases.AssertClose(table, sums, 1e-6, what);
            float[] bits = table.Read();
            table.Write(start);
            Embedding.Backward(device, ids.Pointer, gradient.Elements, table.Elements, tokens, vocabulary, width);
            Assert.Equal(bits, table.Read());
        }
    }

    [Fact]
    public void Ids_outside_the_table_read_zeros_and_write_nothing()
    {
        const int width = 24, vocabulary = 3;
        using var device = Card.Open();
        using var ids = new DeviceArray<int>(device, [1, -1, 3, int.MinValue, 1, 0]);
        using var table = DeviceBuffer.Random(device, DType.F32, vocabulary * width, 1);
        using var output = new DeviceBuffer(device, DType.F32, 6 * width);
        float[] start = table.Read();
        Embedding.Forward(device, ids.Pointer, MatrixView.Of(table.Elements, vocabulary, width), output.Elements, 6);
        float[] rows = output.Read();
        Assert.False(rows.AsSpan(width, 3 * width).ContainsAnyExcept(0f));
        Assert.Equal(start[width..(2 * width)], rows[(4 * width)..(5 * width)]);

        output.Write([.. Enumerable.Repeat(1f, 6 * width)]);
        Embedding.Backward(device, ids.Pointer, output.Elements, table.Elements, 6, vocabulary, width);
        float[] end = table.Read();
        for (int i = 0; i < start.Length; i++)
        {
            Assert.Equal(start[i] + (i / width) switch { 0 => 1f, 1 => 2f, _ => 0f }, end[i]);
        }
    }

    [Theory]
    [InlineData(DType.Int8)]
    [InlineData(DType.Int4)]
    public void Tables_of_integers_give_the_values_of_their_groups(DType type)
    {
        const int vocabulary = 37, width = 100;
        using var device = Card.Open();
        using var processor = new CpuDevice(1);
        using var memory = processor.CreateArena("grouped");
        long bytes = type.MatrixBytes(vocabulary, width);
        var host = new MatrixView(memory.Allocate(bytes), type, vocabulary, width);
        GroupedMatrix.ClearLastTile(processor.Memory, host);
        using var values = GuardedFloats.Random((long)vocabulary * width, 5);
        GroupedMatrix.Store(processor, host, 0, vocabulary, values.Pointer, width);
        GroupedMatrix.Load(processor, host, 0, vocabulary, values.Pointer, width);

        using var table = new DeviceArray<byte>(device, new ReadOnlySpan<byte>((void*)host.Address, (int)bytes));
        using var ids = new DeviceArray<int>(device, [36, 0, 17, 16, 5]);
        using var output = new DeviceBuffer(device, DType.F32, 5 * width);
        Embedding.Forward(device, ids.Pointer, host with { Address = (nint)table.Pointer }, output.Elements, 5);
        float[] rows = output.Read();
        foreach (var (place, id) in ((int, int)[])[(0, 36), (1, 0), (2, 17), (3, 16), (4, 5)])
        {
            Assert.Equal(values.Span.Slice(id * width, width).ToArray(), rows[(place * width)..((place + 1) * width)]);
        }
    }

    [Theory]
    [InlineData(DType.F32, DType.F32)]
    [InlineData(DType.F32, DType.BF16)]
    [InlineData(DType.BF16, DType.F32)]
    [InlineData(DType.BF16, DType.BF16)]
    public void Chosen_rows_of_a_matrix_with_a_stride_are_gathered(DType sourceType, DType targetType)
    {
        using var device = Card.Open();
        foreach (var (width, stride) in ((int, int)[])[(1, 1), (7, 9), (64, 72), (64, 67), (1000, 1000)])
        {
            int[] host = [3, 0, 3, 8];
            using var rows = new DeviceArray<int>(device, host);
            using var source = DeviceBuffer.Random(device, sourceType, 9L * stride, 1);
            using var target = new DeviceBuffer(device, targetType, 4L * width);
            double[] padded = source.ReadWide(), dense = [.. Enumerable.Range(0, 9 * width).Select(i => padded[(i / width * stride) + (i % width)])];
            double[] expected = new double[4 * width];
            RowGather.ReferenceForward(dense, host, expected, width);
            RowGather.Forward(device, new MatrixView(source.Address, sourceType, 9, width, stride), rows.Pointer, 4, target.Elements);
            Assert.Equal(RowCases.Singles(RowCases.Rounded(expected, targetType)), target.Read());
        }
    }
}
