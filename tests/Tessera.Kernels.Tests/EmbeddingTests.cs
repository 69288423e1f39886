using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

public unsafe class EmbeddingTests
{
    public static TheoryData<int, int> Shapes => RowData.Shapes;

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Look_up_copies_rows_and_scatter_adds_them(int tokens, int width)
    {
        const int Vocabulary = 13;
        using var device = new CpuDevice(2);
        int[] ids = Ids(tokens, Vocabulary);
        using var table = GuardedFloats.Random(Vocabulary * width, 1);
        using var output = new GuardedFloats(tokens * width, 1);
        using var gradOutput = GuardedFloats.Random(tokens * width, 2, misalignment: 1);
        using var gradTable = GuardedFloats.Random(Vocabulary * width, 3);
        double[] expected = new double[tokens * width], expectedGradient = RowData.Wide(gradTable.Span);
        Embedding.ReferenceForward(ids, RowData.Wide(table.Span), expected, width);
        Embedding.ReferenceBackward(ids, RowData.Wide(gradOutput.Span), expectedGradient, width);

        fixed (int* pointer = ids)
        {
            Embedding.Forward(device, pointer, new MatrixView((nint)table.Pointer, DType.F32, Vocabulary, width), output.Pointer, tokens);
            Embedding.Backward(device, pointer, gradOutput.Pointer, gradTable.Pointer, tokens, Vocabulary, width);
        }

        Assert.Equal(expected, RowData.Wide(output.Checked()));
        Errors.AssertClose(gradTable.Checked(), expectedGradient, 1e-6, "gradTable");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(16)]
    [InlineData(33)]
    public void A_bf16_table_with_a_stride_is_widened_exactly(int width)
    {
        const int Vocabulary = 5, Padding = 3;
        using var device = new CpuDevice(1);
        ushort[] table = new ushort[Vocabulary * (width + Padding)];
        for (int i = 0; i < table.Length; i++)
        {
            table[i] = Bf16.Round(i * -0.37f);
        }

        int[] ids = [4, 0, 4, 2];
        using var output = new GuardedFloats(ids.Length * width);
        fixed (ushort* address = table)
        fixed (int* pointer = ids)
        {
            Embedding.Forward(
                device, pointer, new MatrixView((nint)address, DType.BF16, Vocabulary, width, width + Padding), output.Pointer, ids.Length);
        }

        for (int t = 0; t < ids.Length; t++)
        {
            for (int i = 0; i < width; i++)
            {
                Assert.Equal(Bf16.Widen(table[(ids[t] * (width + Padding)) + i]), output.Checked()[(t * width) + i]);
            }
        }
    }

    [Fact]
    public void Scatter_is_the_adjoint_of_look_up()
    {
        int[] ids = [1, 3, 1, 0];
        double[] table = RowData.Gaussians(4 * 3, 1), gradOutput = RowData.Gaussians(4 * 3, 2);
        double[] output = new double[12], gradTable = new double[12];
        Embedding.ReferenceForward(ids, table, output, 3);
        Embedding.ReferenceBackward(ids, gradOutput, gradTable, 3);
        Assert.Equal(RowData.Dot(output, gradOutput), RowData.Dot(table, gradTable), 1e-12);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(7)]
    public void An_id_outside_the_vocabulary_is_named(int bad)
    {
        using var device = new CpuDevice(1);
        using var table = GuardedFloats.Random(7 * 2, 1);
        using var output = new GuardedFloats(3 * 2);
        int[] ids = [6, bad, 0];
        fixed (int* pointer = ids)
        {
            int* address = pointer;
            var view = new MatrixView((nint)table.Pointer, DType.F32, 7, 2);
            string forward = Assert.Throws<ArgumentException>(() => Embedding.Forward(device, address, view, output.Pointer, 3)).Message;
            string backward = Assert.Throws<ArgumentException>(
                () => Embedding.Backward(device, address, output.Pointer, table.Pointer, 3, 7, 2)).Message;
            Assert.Contains($"id {bad}, which is outside the vocabulary of 7", forward);
            Assert.Equal(forward, backward);
        }
    }

    [Fact]
    public void Every_thread_count_gives_the_same_bits()
    {
        const int Tokens = 150, Width = 67, Vocabulary = 9;
        int[] ids = Ids(Tokens, Vocabulary);
        RowData.AssertSameBits(device =>
        {
            using var gradOutput = GuardedFloats.Random(Tokens * Width, 1);
            using var gradTable = GuardedFloats.Zeros(Vocabulary * Width);
            fixed (int* pointer = ids)
            {
                Embedding.Backward(device, pointer, gradOutput.Pointer, gradTable.Pointer, Tokens, Vocabulary, Width);
            }

            return gradTable.Span.ToArray();
        });
    }

    private static int[] Ids(int tokens, int vocabulary)
    {
        var random = new CounterRandom(5);
        var ids = new int[tokens];
        for (int t = 0; t < tokens; t++)
        {
            ids[t] = random.Next(vocabulary);
        }

        return ids;
    }

    [Theory]
    [InlineData(DType.Int8, 70)]
    [InlineData(DType.Int4, 96)]
    public void Rows_of_a_grouped_table_are_its_values(DType type, int width)
    {
        using var device = new CpuDevice(2);
        using var table = GroupedTestMatrix.Gaussian(40, width, type, seed: 3);
        float[] values = table.Load(0, 40);
        int[] ids = [39, 0, 17, 17, 16, 31];
        using var output = new GuardedFloats(ids.Length * width);
        fixed (int* pointer = ids)
        {
            Embedding.Forward(device, pointer, table.View, output.Pointer, ids.Length);
        }

        for (int t = 0; t < ids.Length; t++)
        {
            Assert.Equal(values[(ids[t] * width)..((ids[t] + 1) * width)], output.Span.Slice(t * width, width).ToArray());
        }

        output.AssertGuardsIntact();
    }
}
