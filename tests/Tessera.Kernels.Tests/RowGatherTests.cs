using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

public unsafe class RowGatherTests
{
    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    public void Chosen_rows_of_a_matrix_with_a_stride_match_the_reference(DType type)
    {
        using var device = new CpuDevice(3);
        foreach (var (width, stride) in ((int, int)[])[(1, 1), (7, 9), (64, 72), (2050, 2051)])
        {
            int[] rows = [3, 0, 3, 8];
            using var source = GuardedFloats.Random(9L * stride, 1);
            ushort[] halves = [.. source.Span.ToArray().Select(Bf16.Round)];
            using var target = new GuardedFloats(4L * width);
            double[] dense = new double[9 * width], expected = new double[4 * width];
            for (int i = 0; i < dense.Length; i++)
            {
                int place = (i / width * stride) + (i % width);
                dense[i] = type == DType.F32 ? source.Span[place] : Bf16.Widen(halves[place]);
            }

            RowGather.ReferenceForward(dense, rows, expected, width);
            fixed (int* pointer = rows)
            fixed (ushort* bits = halves)
            {
                nint address = type == DType.F32 ? (nint)source.Pointer : (nint)bits;
                RowGather.Forward(device, new MatrixView(address, type, 9, width, stride), pointer, 4, target.Pointer);
            }

            Assert.Equal(expected, RowData.Wide(target.Checked()));
        }
    }

    [Fact]
    public void A_row_outside_the_matrix_is_refused()
    {
        using var device = new CpuDevice(1);
        using var source = GuardedFloats.Random(6, 1);
        using var target = new GuardedFloats(2);
        using var rows = new GuardedFloats(1);
        nint row = (nint)rows.Pointer;
        *(int*)row = 3;
        nint matrix = (nint)source.Pointer;
        float* output = target.Pointer;
        var refused = Assert.Throws<ArgumentException>(() => RowGather.Forward(device, new MatrixView(matrix, DType.F32, 3, 2), (int*)row, 1, output));
        Assert.StartsWith("row 3 of a matrix of 3 rows was asked for", refused.Message, StringComparison.Ordinal);
    }
}
