using Tessera.Devices;
using Tessera.Kernels;

namespace Tessera.Device.Tests;

[Trait("Category", Card.Category)]
public sealed unsafe class RopeCudaTests
{
    private const int TablePositions = 700;
    private const double Theta = 10_000;
    private const double RotationBound = 4e-7;
    private const float Epsilon = 1e-5f;

    /// <summary>H, K, E: pairs that fill packs and such that do not, heads of a few threads and of a whole warp.</summary>
    private static readonly AttentionShape[] Heads =
        [new(1, 1, 2), new(3, 1, 16), new(2, 2, 24), new(5, 5, 64), new(2, 1, 100), new(32, 8, 128)];

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    public void Rotation_of_leading_heads_matches_the_reference_and_backward_undoes_it(DType type)
    {
        using var device = Card.Open(type);
        foreach (var shape in Heads)
        {
            const int tokens = 37;
            using var table = new RopeTable(shape.HeadDim, Theta, null, TablePositions, device.Memory);
            double[] frequencies = RopeTable.InverseFrequencies(shape.HeadDim, Theta, null);
            int[] ids = RowCases.Ids(tokens, TablePositions, 3);
            using var positions = new DeviceArray<int>(device, ids);
            using var rows = DeviceBuffer.Random(device, type, (long)tokens * shape.PackedWidth, 1);
            double[] expected = rows.ReadWide(), start = rows.ReadWide();
            for (int t = 0; t < tokens; t++)
            {
                for (int h = 0; h < shape.Heads + shape.KvHeads; h++)
                {
                    Rope.RotateReference(expected.AsSpan((t * shape.PackedWidth) + (h * shape.HeadDim), shape.HeadDim), ids[t], frequencies);
                }
            }

            int rotated = shape.Heads + shape.KvHeads;
            Rope.Forward(device, rows.Elements, shape.PackedWidth, rotated, shape.HeadDim, positions.Pointer, tokens, table);
            RowCases.AssertClose(rows, expected, RotationBound, $"{shape}");
            rows.Write(RowCases.Singles(expected));
            double[] stored = rows.ReadWide();
            Rope.Backward(device, rows.Elements, shape.PackedWidth, rotated, shape.HeadDim, positions.Pointer, tokens, table);
            Assert.InRange(TestSupport.Errors.RelativeL2(rows.Read(), start), 0, type == DType.F32 ? RotationBound : 4e-3);
            Assert.NotEqual(stored, rows.ReadWide());
        }
    }

    [Theory]
    [InlineData(DType.F32, DType.F32, DType.F32, DType.F32)]
    [InlineData(DType.BF16, DType.F32, DType.F32, DType.F32)]
    [InlineData(DType.BF16, DType.BF16, DType.BF16, DType.BF16)]
    [InlineData(DType.BF16, DType.BF16, DType.F32, DType.F32)]
    public void Epilogue_matches_the_reference_with_and_without_its_parts(DType type, DType biasType, DType gainType, DType gradientType)
    {
        using var device = Card.Open(type);
        foreach (var shape in Heads)
        {
            foreach (int tokens in (int[])[0, 1, 7, 130])
            {
                foreach (var (hasBias, hasNorms) in ((bool, bool)[])[(true, true), (false, true), (true, false), (false, false)])
                {
                    using var problem = new EpilogueProblem(device, shape, tokens, type, hasBias ? biasType : null, hasNorms ? gainType : null, gradientType);
                    problem.AssertMatchesReference(Epsilon);
                }
            }
        }
    }

    [Fact]
    public void Positions_beyond_the_table_leave_their_rows_and_nothing_else_is_touched()
    {
        using var device = Card.Open();
        var shape = new AttentionShape(2, 1, 16);
        using var table = new RopeTable(16, Theta, null, 10, device.Memory);
        using var positions = new DeviceArray<int>(device, [1, int.MaxValue, -1]);
        using var rows = DeviceBuffer.Random(device, DType.F32, 3L * shape.PackedWidth, 1);
        float[] start = rows.Read();
        Rope.Forward(device, rows.Elements, shape.PackedWidth, 3, 16, positions.Pointer, 3, table);
        float[] end = rows.Read();
        Assert.NotEqual(start[..shape.PackedWidth], end[..shape.PackedWidth]);
        Assert.Equal(start[shape.PackedWidth..], end[shape.PackedWidth..]);
    }
}
