using Tessera.Devices;
using Tessera.Kernels;
using Tessera.TestSupport;

namespace Tessera.Device.Tests;

[Trait("Category", Card.Category)]
public sealed unsafe class GemmCudaTests
{
    private static readonly (int M, int N, int K)[] Shapes =
    [
        (1, 1, 1), (17, 17, 17), (5, 3, 0), (1, 50, 33), (50, 1, 33), (64, 64, 64), (65, 63, 129), (19, 97, 41), (128, 256, 520),
        (7, 200, 1031),
    ];

    public static TheoryData<DType, DType, DType> Types
    {
        get
        {
            DType[] both = [DType.F32, DType.BF16];
            var data = new TheoryData<DType, DType, DType>();
            foreach (DType a in both)
            {
                foreach (DType b in both)
                {
                    data.Add(a, b, DType.F32);
                    data.Add(a, b, DType.BF16);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Products_of_every_layout_match_the_reference_for_any_extents_strides_and_alignment(DType typeA, DType typeB, DType typeC)
    {
        using var device = Card.Open(DType.BF16);
        double bound = typeA == DType.BF16 && typeB == DType.BF16 ? ProductTolerances.ProductOfBf16 : ProductTolerances.ProductF32;
        int turn = 0;
        foreach (var (m, n, k) in Shapes)
        {
            for (int layout = 0; layout < 4; layout++, turn++)
            {
                bool transposeA = layout > 1, transposeB = layout % 2 == 1, accumulate = turn % 3 == 0;
                var (gap, misalignment) = (turn % 5) switch { 0 => (3, 1), 1 => (8, 8), _ => (0, 0) };
                using var a = new DeviceMatrix(device, typeA, transposeA ? k : m, transposeA ? m : k, 1, gap, misalignment);
                using var b = new DeviceMatrix(device, typeB, transposeB ? n : k, transposeB ? k : n, 2, gap, misalignment);
                using var c = new DeviceMatrix(device, typeC, m, n, 3, gap, misalignment);
                double[] expected = Reference(a, transposeA, b, transposeB, m, n, k);
                Gemm.Multiply(device, a.View, transposeA, b.View, transposeB, c.Elements, c.Stride, m, n, k, accumulate);
                ProductTolerances.AssertProduct(
                    c.Read(), expected, accumulate ? c.Before : default, typeC, bound,
                    $"{m}x{n}x{k}, layout {layout}, gap {gap}, off by {misalignment}, accumulate {accumulate}");
            }
        }
    }

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    public void Long_sums_keep_their_precision_and_the_same_product_has_the_same_bits(DType type)
    {
        const int M = 40, N = 72, K = 14_336;
        using var device = Card.Open();
        using var a = new DeviceMatrix(device, type, M, K, 1);
        using var b = new DeviceMatrix(device, type, N, K, 2);
        using var once = new DeviceMatrix(device, DType.F32, M, N, 3);
        using var again = new DeviceMatrix(device, DType.F32, M, N, 4);
        foreach (DeviceMatrix c in (DeviceMatrix[])[once, again])
        {
            Gemm.Multiply(device, a.View, false, b.View, true, c.Elements, c.Stride, M, N, K, false);
        }

        Errors.AssertClose(
            once.Read(), Reference(a, false, b, true, M, N, K), type == DType.F32 ? ProductTolerances.ProductF32 : ProductTolerances.ProductOfBf16, "product");
        Assert.Equal(once.Read(), again.Read());
    }

    [Fact]
    public void A_product_that_was_planned_allocates_nothing()
    {
        const int Size = 96;
        using var device = Card.Open();
        using var a = new DeviceMatrix(device, DType.BF16, Size, Size, 1);
        using var c = new DeviceMatrix(device, DType.F32, Size, Size, 2);
        void Multiply() => Gemm.Multiply(device, a.View, false, a.View, true, c.Elements, c.Stride, Size, Size, Size, true);
        Multiply();
        Multiply();
        int planned = device.Products.PlannedShapes;
        long before = GC.GetAllocatedBytesForCurrentThread();
        Multiply();
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        Assert.Equal(planned, device.Products.PlannedShapes);
        device.Synchronize();
    }

    [Fact]
    public void Products_can_be_part_of_a_graph()
    {
        const int Size = 80;
        using var device = Card.Open();
        using var a = new DeviceMatrix(device, DType.BF16, Size, Size, 1);
        using var c = new DeviceMatrix(device, DType.F32, Size, Size, 2);
        void Multiply() => Gemm.Multiply(device, a.View, false, a.View, false, c.Elements, c.Stride, Size, Size, Size, false);
        Multiply();
        float[] expected = c.Read();
        using var graph = CudaGraph.Capture(device, Multiply);
        device.Clear(c.Elements.Address, c.Rows * c.Stride * sizeof(float));
        graph.Launch();
        Assert.Equal(expected, c.Read());
    }

    internal static double[] Reference(DeviceMatrix a, bool transposeA, DeviceMatrix b, bool transposeB, int m, int n, int k)
    {
        fixed (float* left = a.Before, right = b.Before)
        {
            return Gemm.Reference(
                new MatrixView((nint)left, DType.F32, a.Rows, a.Columns), transposeA,
                new MatrixView((nint)right, DType.F32, b.Rows, b.Columns), transposeB, m, n, k);
        }
    }
}
