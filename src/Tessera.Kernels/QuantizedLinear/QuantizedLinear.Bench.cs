using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class QuantizedLinear
{
    private static readonly DType[] Types = [DType.Int8, DType.Int4];

    private static readonly (int Tokens, int Outputs, int Inputs)[] GemmShapes =
        [(512, 4096, 4096), (256, 4096, 14336), (256, 14336, 4096), (64, 2048, 2048), (512, 768, 768)];

    private static readonly (int Tokens, int Outputs, int Inputs)[] GemvShapes =
        [(1, 8192, 8192), (1, 14336, 4096), (4, 8192, 8192), (1, 1024, 256)];

    /// <summary>Many tokens, as tokens x outputs x inputs, held against integer dot products from registers.</summary>
    public static IEnumerable<BenchCase> GemmBenchCases(Device device) =>
        from shape in GemmShapes
        from type in Types
        select Case(device, "gemm", shape, type);

    /// <summary>Few tokens, as outputs x inputs and the number of tokens, held against reading as many bytes as the weight has.</summary>
    public static IEnumerable<BenchCase> GemvBenchCases(Device device) =>
        from shape in GemvShapes
        from type in Types
        select Case(device, "gemv", shape, type);

    private static BenchCase Case(Device device, string name, (int Tokens, int Outputs, int Inputs) shape, DType type)
    {
        var (tokens, outputs, inputs) = shape;
        return name == "gemm"
            ? new BenchCase(
                name, $"{tokens}x{outputs}x{inputs}", type.Label(), BenchCeiling.Int8DotProduct, 2.0 * tokens * outputs * inputs,
                arena => Prepare(device, arena, shape, type))
            : new BenchCase(
                name, $"{outputs}x{inputs}{(tokens == 1 ? "" : $" {tokens} tokens")}", type.Label(), BenchCeiling.StreamRead,
                type.MatrixBytes(outputs, inputs), arena => Prepare(device, arena, shape, type));
    }

    private static Action Prepare(Device device, Arena arena, (int Tokens, int Outputs, int Inputs) shape, DType type)
    {
        var (tokens, outputs, inputs) = shape;
        var weight = new MatrixView(arena.Allocate(type.MatrixBytes(outputs, inputs)), type, outputs, inputs);
        GroupedMatrix.ClearLastTile(HostMemory.Instance, weight);
        float* row = RowBench.Filled(arena, inputs, 1);
        for (int o = 0; o < outputs; o++)
        {
            GroupedMatrix.Store(device, weight, o, 1, row, inputs);
        }

        float* x = RowBench.Filled(arena, (long)tokens * inputs, 2), y = arena.Floats((long)tokens * outputs);
        return () => Forward(device, x, inputs, weight, y, outputs, tokens, accumulate: false);
    }
}
