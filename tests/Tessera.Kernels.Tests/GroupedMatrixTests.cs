using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

public unsafe class GroupedMatrixTests
{
    private static readonly CpuDevice Device = new(2);

    [Theory]
    [InlineData(DType.Int8, 34 * 16 * 2 * 3)]
    [InlineData(DType.Int4, 18 * 16 * 2 * 3)]
    public void A_matrix_takes_whole_tiles_and_whole_groups(DType type, long bytes)
    {
        Assert.Equal(bytes, type.MatrixBytes(17, 65));
        Assert.Equal(bytes, type.MatrixBytes(32, 96));
        Assert.Equal(0, type.MatrixBytes(0, 96));
        Assert.Contains("no size of one element", Assert.Throws<ArgumentException>(() => type.Bytes()).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(DType.Int8, 6.1e-3)]
    [InlineData(DType.Int4, 9.7e-2)]
    public void Rounding_of_gaussian_rows_stays_below_the_floor_of_the_format(DType type, double bound)
    {
        const int Rows = 200, Columns = 1024;
        using var values = GuardedFloats.Random(Rows * Columns, seed: 1);
        using var matrix = new GroupedTestMatrix(Rows, Columns, type);
        GroupedMatrix.Store(Device, matrix.View, 0, Rows, values.Pointer, Columns);
        double error = Errors.RelativeL2(matrix.Load(0, Rows), values.Span);
        Assert.InRange(error, bound / 2, bound);
        matrix.AssertGuardsIntact();
    }

    [Theory]
    [InlineData(DType.Int8)]
    [InlineData(DType.Int4)]
    public void Blocks_come_back_as_they_went_in_and_mean_what_their_format_says(DType type)
    {
        const int Rows = 37, Columns = 160;
        byte[] blocks = GroupedTestMatrix.RandomBlocks(Rows, Columns, type, seed: 2);
        using var matrix = new GroupedTestMatrix(Rows, Columns, type);
        matrix.StoreBlocks(blocks);
        Assert.Equal(blocks, matrix.LoadBlocks(0, Rows));
        int size = GroupedMatrix.BlockBytes(type), rowBytes = Columns / 32 * size;
        Assert.Equal(blocks[(5 * rowBytes)..(21 * rowBytes)], matrix.LoadBlocks(5, 16));

        float[] values = matrix.Load(0, Rows);
        for (int i = 0; i < values.Length; i++)
        {
            ReadOnlySpan<byte> block = blocks.AsSpan(i / 32 * size, size);
            int at = i % 32;
            int integer = type == DType.Int8 ? (sbyte)block[2 + at] : ((block[2 + (at % 16)] >> (at < 16 ? 0 : 4)) & 15) - 8;
            Assert.Equal((float)BitConverter.ToHalf(block) * integer, values[i]);
        }

        matrix.AssertGuardsIntact();
    }

    [Theory]
    [InlineData(DType.Int8, 70)]
    [InlineData(DType.Int4, 33)]
    [InlineData(DType.Int8, 1)]
    public void Rows_stored_in_parts_at_any_offset_are_the_rows_stored_at_once(DType type, int columns)
    {
        const int Rows = 53;
        using var values = GuardedFloats.Random(Rows * columns, seed: 3);
        using var whole = new GroupedTestMatrix(Rows, columns, type);
        GroupedMatrix.Store(Device, whole.View, 0, Rows, values.Pointer, columns);
        using var parts = new GroupedTestMatrix(Rows, columns, type);
        int[] borders = [0, 1, 7, 16, 29, 47, 48, 53];
        for (int i = borders.Length - 1; i > 0; i--)
        {
            int first = borders[i - 1];
            GroupedMatrix.Store(Device, parts.View, first, borders[i] - first, values.Pointer + (first * columns), columns);
        }

        Assert.True(whole.Bytes.SequenceEqual(parts.Bytes));
        Assert.Equal(whole.Load(0, Rows)[(7 * columns)..(29 * columns)], parts.Load(7, 22));
        parts.AssertGuardsIntact();
    }

    [Theory]
    [InlineData(DType.Int8)]
    [InlineData(DType.Int4)]
    public void Values_that_the_integers_can_express_are_kept_exactly(DType type)
    {
        // An eighth of every integer from the least up: the scale is a power of two.
        int least = type == DType.Int8 ? -127 : -8, most = type == DType.Int8 ? 127 : 7;
        using var values = new GuardedFloats(32);
        for (int i = 0; i < 32; i++)
        {
            values.Span[i] = (i == 0 ? least : least + (i * 37 % (most - least + 1))) / 8f;
        }

        using var matrix = new GroupedTestMatrix(1, 32, type);
        GroupedMatrix.Store(Device, matrix.View, 0, 1, values.Pointer, 32);
        Assert.Equal(values.Span.ToArray(), matrix.Load(0, 1));
    }

    [Theory]
    [InlineData(DType.Int8, 0f)]
    [InlineData(DType.Int4, 0f)]
    [InlineData(DType.Int8, 1e-42f)]
    [InlineData(DType.Int4, 1e-42f)]
    public void Groups_too_small_for_a_scale_become_zeros(DType type, float value)
    {
        using var values = new GuardedFloats(40);
        values.Span.Fill(value);
        values.Span[3] = -value;
        using var matrix = new GroupedTestMatrix(1, 40, type);
        GroupedMatrix.Store(Device, matrix.View, 0, 1, values.Pointer, 40);
        Assert.All(matrix.Load(0, 1), element => Assert.Equal(0f, element));
    }

    [Theory]
    [InlineData(DType.Int8, 1e-5)]
    [InlineData(DType.Int8, 6e-6)]
    [InlineData(DType.Int8, 3e6)]
    [InlineData(DType.Int4, 1e-6)]
    [InlineData(DType.Int4, 4e5)]
    public void Small_and_large_groups_are_off_by_no_more_than_their_step(DType type, double magnitude)
    {
        using var values = GuardedFloats.Random(32, seed: 4);
        float largest = 0;
        foreach (float value in values.Span)
        {
            largest = Math.Max(largest, Math.Abs(value));
        }

        for (int i = 0; i < 32; i++)
        {
            values.Span[i] *= (float)magnitude / largest;
        }

        using var matrix = new GroupedTestMatrix(1, 32, type);
        GroupedMatrix.Store(Device, matrix.View, 0, 1, values.Pointer, 32);
        float[] loaded = matrix.Load(0, 1);

        // Binary16 has steps of 2⁻²⁴ down to zero, which is the coarser bound for the smallest groups.
        double step = Math.Max(magnitude / (type == DType.Int8 ? 127 : 7), 6e-8) * 1.01;
        for (int i = 0; i < 32; i++)
        {
            Assert.InRange(loaded[i] - values.Span[i], -step, step);
        }
    }

    [Theory]
    [InlineData(DType.Int8, float.NaN)]
    [InlineData(DType.Int8, float.NegativeInfinity)]
    [InlineData(DType.Int8, 8.4e6f)]
    [InlineData(DType.Int4, float.NaN)]
    [InlineData(DType.Int4, 5.3e5f)]
    public void Values_that_no_group_can_hold_are_refused_with_their_place(DType type, float value)
    {
        using var values = GuardedFloats.Random(3 * 70, seed: 5);
        values.Span[(2 * 70) + 69] = value;
        using var matrix = new GroupedTestMatrix(20, 70, type);
        string message = Assert.Throws<InvalidDataException>(() => GroupedMatrix.Store(Device, matrix.View, 11, 3, values.Pointer, 70)).Message;
        Assert.Contains("row 13, columns from 64", message, StringComparison.Ordinal);
        Assert.Contains(type.Label(), message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(DType.Int8)]
    [InlineData(DType.Int4)]
    public void Blocks_with_a_scale_that_is_no_number_are_refused(DType type)
    {
        byte[] blocks = GroupedTestMatrix.RandomBlocks(4, 64, type, seed: 6);
        BitConverter.TryWriteBytes(blocks.AsSpan(5 * GroupedMatrix.BlockBytes(type)), Half.NegativeInfinity);
        using var matrix = new GroupedTestMatrix(4, 64, type);
        Assert.Contains(
            "row 2, block 1", Assert.Throws<InvalidDataException>(() => matrix.StoreBlocks(blocks)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Rows_outside_the_matrix_partial_blocks_and_other_types_are_refused()
    {
        using var values = GuardedFloats.Random(64, seed: 7);
        using var matrix = new GroupedTestMatrix(4, 16, DType.Int8);
        var dense = new MatrixView((nint)values.Pointer, DType.F32, 2, 16);
        Assert.Contains("4 rows", Refused(() => GroupedMatrix.Store(Device, matrix.View, 3, 2, values.Pointer, 16)), StringComparison.Ordinal);
        Assert.Contains("4 rows", Refused(() => GroupedMatrix.Load(Device, matrix.View, -1, 1, values.Pointer, 16)), StringComparison.Ordinal);
        Assert.Contains("16 columns", Refused(() => matrix.LoadBlocks(0, 1)), StringComparison.Ordinal);
        Assert.Contains("f32", Refused(() => GroupedMatrix.Load(Device, dense, 0, 1, values.Pointer, 16)), StringComparison.Ordinal);

        static string Refused(Action action) => Assert.Throws<ArgumentException>(action).Message;
    }
}
