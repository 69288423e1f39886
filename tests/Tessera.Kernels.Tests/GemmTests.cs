using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

public sealed unsafe class GemmTests : IDisposable
{
    private const double Bound = 1e-6;
    private readonly CpuDevice _device = new(2);

    public void Dispose() => _device.Dispose();

    [Fact]
    public void Multiply_matches_the_reference_for_shapes_around_the_tiles()
    {
        int mode = 0;
        foreach (int m in (int[])[1, 3, 4, 5, 11, 12, 13, 25, 61])
        {
            foreach (int n in (int[])[1, 23, 24, 25, 31, 32, 33, 67])
            {
                foreach (int k in (int[])[1, 2, 15, 16, 17, 31, 32, 33])
                {
                    // All four pairs of transposes come by for every extent: the numbers of extents are not multiples of 4.
                    mode += 1 + (n & 1);
                    Check(m, n, k, (mode & 1) != 0, (mode & 2) != 0, DType.F32, DType.F32, accumulate: false);
                }
            }
        }
    }

    [Theory]
    [InlineData(511)]
    [InlineData(512)]
    [InlineData(513)]
    [InlineData(1024)]
    [InlineData(1025)]
    [InlineData(1553)]
    public void Multiply_matches_the_reference_for_sums_around_the_pass_length(int k)
    {
        for (int mode = 0; mode < 4; mode++)
        {
            Check(13, 35, k, (mode & 1) != 0, (mode & 2) != 0, DType.F32, DType.BF16, accumulate: mode == 3);
        }
    }

    [Theory]
    [InlineData(37, 61, 53)]
    [InlineData(401, 65, 40)]
    [InlineData(24, 96, 1041)]
    public void Multiply_matches_the_reference_for_every_mode_type_and_placement(int m, int n, int k)
    {
        for (int mode = 0; mode < 32; mode++)
        {
            DType typeA = (mode & 4) != 0 ? DType.BF16 : DType.F32;
            DType typeB = (mode & 8) != 0 ? DType.BF16 : DType.F32;
            Check(m, n, k, (mode & 1) != 0, (mode & 2) != 0, typeA, typeB, (mode & 16) != 0, padding: mode % 5, misalignment: mode % 7);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(17)]
    [InlineData(512)]
    public void The_tile_of_four_lanes_is_right_where_the_tiers_here_do_not_take_it(int depth)
    {
        // Arm takes it; x86 without AVX2 rounds products and sums in double instead.
        using var a = new TestMatrix(depth, 4, DType.F32, seed: 21);
        using var b = new TestMatrix(depth, 8, DType.F32, seed: 22);
        using var c = new GuardedFloats(4 * 8);
        foreach (bool accumulate in (bool[])[false, true])
        {
            c.Span.Fill(1);
            Gemm.Tile4x8(a.View.Floats, b.View.Floats, c.Pointer, 8, depth, accumulate);
            double[] expected = new double[4 * 8];
            for (int i = 0; i < expected.Length; i++)
            {
                expected[i] = accumulate ? 1 : 0;
                for (int p = 0; p < depth; p++)
                {
                    expected[i] += (double)a.View.Floats[(p * 4) + (i / 8)] * b.View.Floats[(p * 8) + (i % 8)];
                }
            }

            Assert.InRange(Errors.RelativeL2(c.Span, expected), 0, Bound);
            c.AssertGuardsIntact();
        }
    }

    [Fact]
    public void Multiply_cuts_wide_products_into_panels_without_a_seam() =>
        Check(397, 3100, 19, transposeA: false, transposeB: true, DType.F32, DType.F32, accumulate: true);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_empty_sum_clears_the_result_unless_it_accumulates(bool accumulate)
    {
        using var c = GuardedFloats.From([1, 2, 3, 4, 5, 6]);
        var empty = new MatrixView((nint)c.Pointer, DType.F32, 8, 8);
        Gemm.Multiply(_device, empty, false, empty, false, c.Pointer, 3, 2, 2, 0, accumulate);
        Assert.Equal(accumulate ? [1, 2, 3, 4, 5, 6] : [0, 0, 3, 0, 0, 6], c.Span.ToArray());
    }

    [Theory]
    [InlineData(0, 5)]
    [InlineData(5, 0)]
    public void A_product_without_rows_or_columns_writes_nothing(int m, int n)
    {
        using var c = new GuardedFloats(1);
        var any = new MatrixView((nint)c.Pointer, DType.F32, 8, 8);
        Gemm.Multiply(_device, any, false, any, false, c.Pointer, 8, m, n, 3, accumulate: false);
        Assert.True(float.IsNaN(c.Span[0]));
        c.AssertGuardsIntact();
    }

    [Theory]
    [InlineData(70, 333, 1100)]
    [InlineData(900, 70, 600)]
    [InlineData(130, 3200, 64)]
    public void Results_are_bitwise_the_same_for_any_number_of_threads(int m, int n, int k)
    {
        using var a = new TestMatrix(m, k, DType.F32, seed: 1);
        using var b = new TestMatrix(n, k, DType.F32, seed: 2);
        float[]? first = null;
        foreach (int threads in RowData.ThreadCounts)
        {
            using var device = new CpuDevice(threads);
            using var c = new GuardedFloats((long)m * n);
            Gemm.Multiply(device, a.View, false, b.View, true, c.Pointer, n, m, n, k, accumulate: false);
            first ??= c.Span.ToArray();
            Assert.True(c.Span.SequenceEqual(first), $"{threads} threads differ from one");
        }
    }

    [Theory]
    [InlineData(100, 96, 700)]
    [InlineData(1000, 40, 130)]
    public void A_row_does_not_depend_on_the_other_rows_and_columns(int m, int n, int k)
    {
        using var a = new TestMatrix(m, k, DType.F32, seed: 3);
        using var b = new TestMatrix(k, n, DType.BF16, seed: 4);
        using var all = new GuardedFloats((long)m * n);
        Gemm.Multiply(_device, a.View, false, b.View, false, all.Pointer, n, m, n, k, accumulate: false);
        foreach (int row in (int[])[0, 7, m / 2, m - 1])
        {
            using var one = new GuardedFloats(n - 3);
            var view = new MatrixView((nint)(a.View.Floats + (row * a.View.Stride)), DType.F32, 1, k);
            Gemm.Multiply(_device, view, false, b.View, false, one.Pointer, n, 1, n - 3, k, accumulate: false);
            Assert.True(one.Span.SequenceEqual(all.Span.Slice(row * n, n - 3)), $"row {row} alone differs from row {row} of {m}");
        }
    }

    [Theory]
    [InlineData(1, 1, 1, DType.F32)]
    [InlineData(25, 61, 40, DType.BF16)]
    [InlineData(13, 96, 1041, DType.F32)]
    [InlineData(400, 33, 700, DType.BF16)]
    [InlineData(900, 3200, 530, DType.F32)]
    [InlineData(500, 700, 2100, DType.F32)]
    public void A_matrix_packed_beforehand_gives_the_same_bits(int m, int n, int k, DType type)
    {
        using var a = new TestMatrix(m, k, DType.F32, seed: 11, padding: 3);
        using var b = new TestMatrix(n, k, type, seed: 12, padding: 5);
        using var expected = new GuardedFloats((long)m * n);
        using var actual = new GuardedFloats((long)m * n);
        using var panels = new GuardedFloats(Gemm.PackedFloats(n, k));
        Gemm.Multiply(_device, a.View, false, b.View, true, expected.Pointer, n, m, n, k, accumulate: false);
        var packed = Gemm.PackRight(_device, b.View, true, n, k, panels.Pointer);
        panels.AssertGuardsIntact();
        foreach (bool accumulate in (bool[])[false, true])
        {
            Gemm.MultiplyPacked(_device, a.View, packed, actual.Pointer, n, m, accumulate);
            if (accumulate)
            {
                Gemm.Multiply(_device, a.View, false, b.View, true, expected.Pointer, n, m, n, k, accumulate: true);
            }

            Assert.True(actual.Span.SequenceEqual(expected.Span), $"{m}x{n}x{k} {type} differs, accumulate {accumulate}");
        }

        actual.AssertGuardsIntact();
    }

    [Fact]
    public void A_packed_matrix_of_another_shape_is_refused()
    {
        using var memory = new GuardedFloats(4096);
        var weight = new MatrixView((nint)memory.Pointer, DType.F32, 8, 8);
        var packed = new PackedMatrix((nint)memory.Pointer, 9, 8);
        var error = Assert.Throws<ArgumentException>(
            () => Linear.Forward(_device, memory.Pointer, 8, weight, memory.Pointer + 1024, 8, 30, false, false, packed));
        Assert.Contains("linear packed: it is of a weight [9, 8], not [8, 8]", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Infinities_and_nans_stay_in_their_row_and_column()
    {
        const int Size = 45;
        using var a = new TestMatrix(Size, Size, DType.F32, seed: 5);
        using var b = new TestMatrix(Size, Size, DType.F32, seed: 6);
        using var c = new GuardedFloats(Size * Size);
        a.View.Floats[(13 * a.View.Stride) + 4] = float.NaN;
        b.View.Floats[(4 * b.View.Stride) + 31] = float.PositiveInfinity;
        Gemm.Multiply(_device, a.View, false, b.View, false, c.Pointer, Size, Size, Size, Size, accumulate: false);
        for (int i = 0; i < Size * Size; i++)
        {
            Assert.Equal(i / Size != 13 && i % Size != 31, float.IsFinite(c.Span[i]));
        }
    }

    [Fact]
    public void Views_that_are_too_small_are_refused_by_name()
    {
        using var c = new GuardedFloats(64);
        var small = new MatrixView((nint)c.Pointer, DType.F32, 2, 3);
        var large = new MatrixView((nint)c.Pointer, DType.F32, 8, 8);
        var integers = new MatrixView((nint)c.Pointer, DType.I32, 8, 8);
        Refused("gemm a: the view is [2, 3]", small, large, 8);
        Refused("gemm b: the view is [2, 3]", large, small, 8);
        Refused("gemm a: element type i32", integers, large, 8);
        Refused("gemm c: a stride of 3", large, large, 3);

        void Refused(string sentence, MatrixView a, MatrixView b, long stride)
        {
            var error = Assert.Throws<ArgumentException>(
                () => Gemm.Multiply(_device, a, false, b, false, c.Pointer, stride, 4, 4, 4, accumulate: false));
            Assert.Contains(sentence, error.Message, StringComparison.Ordinal);
        }
    }

    private void Check(
        int m, int n, int k, bool transposeA, bool transposeB, DType typeA, DType typeB, bool accumulate, int padding = 0, int misalignment = 0)
    {
        string what = $"{m}x{n}x{k} {(transposeA ? "At" : "A")} {(transposeB ? "Bt" : "B")} {typeA} {typeB} {accumulate}";
        using var a = new TestMatrix(transposeA ? k : m, transposeA ? m : k, typeA, seed: m + 1, padding, misalignment);
        using var b = new TestMatrix(transposeB ? n : k, transposeB ? k : n, typeB, seed: n + 2, padding + 1, misalignment);
        int stride = n + padding;
        using var c = new GuardedFloats((long)m * stride, misalignment);
        double[] expected = Gemm.Reference(a.View, transposeA, b.View, transposeB, m, n, k);
        for (int i = 0; i < m * n && accumulate; i++)
        {
            float before = (i % 11) - 5.5f;
            c.Pointer[((i / n) * stride) + (i % n)] = before;
            expected[i] += before;
        }

        Gemm.Multiply(_device, a.View, transposeA, b.View, transposeB, c.Pointer, stride, m, n, k, accumulate);
        var actual = new float[m * n];
        for (int i = 0; i < m; i++)
        {
            c.Span.Slice(i * stride, n).CopyTo(actual.AsSpan(i * n));
            Assert.All(c.Span.Slice((i * stride) + n, padding).ToArray(), gap => Assert.True(float.IsNaN(gap), $"{what}: wrote between rows"));
        }

        Errors.AssertClose(actual, expected, TestMatrix.BoundFor(expected, k, Bound), what);
        c.AssertGuardsIntact();
    }
}
