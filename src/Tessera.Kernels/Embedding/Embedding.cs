using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>Rows of a table looked up by token id, and the scatter of their gradients.</summary>
/// <remarks>
/// output[t] = table[ids[t]]; gradTable[ids[t]] += gradOutput[t].
/// Shapes: ids [tokens]; table [vocabulary, width] f32, bf16, int8 or int4; output, gradOutput [tokens, width];
/// gradTable [vocabulary, width], dense.
/// Types: f32 on the processor; on a card outputs and gradients are f32 or bf16; f32 arithmetic, one rounding at the store.
/// On a card ids are not looked at by the host: one outside the table reads zeros and has no gradient.
/// Error: forward exact; backward one f32 rounding per addition.
/// Determinism: bitwise, independent of thread count: workers own columns and add tokens in their order. A card adds up the tokens of
/// an id, sorted and in stretches of 32, before the sum is added to the table.
/// Cost: 8 bytes per element forward (6 from bf16, about 5 from int8), 12 backward.
/// </remarks>
public static unsafe partial class Embedding
{
    /// <summary>output[t] = table[ids[t]], widened to f32.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="ids">[tokens].</param>
    /// <param name="table">[vocabulary, width], f32, bf16, int8 or int4.</param>
    /// <param name="output">[tokens, width], assigned.</param>
    /// <param name="tokens">Ids.</param>
    /// <exception cref="ArgumentException">An id is outside the table, or the table is of integers without groups.</exception>
    public static void Forward(Device device, int* ids, in MatrixView table, Elements output, int tokens)
    {
        RowLaunch.CheckSizes(tokens, table.Columns);
        if (device is CudaDevice cuda)
        {
            RowGather.ForwardCuda(cuda, table, ids, tokens, output);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        var cpu = scope.Processor;
        CheckIds(cpu, ids, tokens, table.Rows);
        if (table.Type is not (DType.F32 or DType.BF16) && !table.Type.IsGrouped())
        {
            throw new ArgumentException($"the embedding table is {table.Type.Label()}; expected f32, bf16, int8 or int4", nameof(table));
        }

        var arguments = new ForwardArguments { Ids = ids, Table = table, Output = output.Floats, Tokens = tokens };
        RowLaunch.Run(cpu, &ForwardBody, &arguments, (long)tokens * table.Columns);
    }

    /// <summary>gradTable[ids[t]] += gradOutput[t], in the order of the tokens.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="ids">[tokens].</param>
    /// <param name="gradOutput">[tokens, width].</param>
    /// <param name="gradTable">[vocabulary, width], accumulated.</param>
    /// <param name="tokens">Ids.</param>
    /// <param name="vocabulary">Rows of the table.</param>
    /// <param name="width">Columns of the table.</param>
    /// <exception cref="ArgumentException">An id is outside the table.</exception>
    public static void Backward(Device device, int* ids, Elements gradOutput, Elements gradTable, int tokens, int vocabulary, int width)
    {
        RowLaunch.CheckSizes(tokens, width);
        if (device is CudaDevice cuda)
        {
            BackwardCuda(cuda, ids, gradOutput, gradTable, tokens, vocabulary, width);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        var cpu = scope.Processor;
        CheckIds(cpu, ids, tokens, vocabulary);
        var arguments = new BackwardArguments
        {
            Ids = ids,
            GradOutput = gradOutput.Floats,
            GradTable = gradTable.Floats,
            Tokens = tokens,
            Width = width,
        };
        RowLaunch.Run(cpu, &BackwardBody, &arguments, (long)tokens * width);
    }

    private static void CheckIds(CpuDevice cpu, int* ids, int tokens, int vocabulary)
    {
        for (int t = 0; t < tokens && !cpu.IsPlanning; t++)
        {
            if ((uint)ids[t] >= (uint)vocabulary)
            {
                throw new ArgumentException(
                    $"token {t} has id {ids[t]}, which is outside the vocabulary of {vocabulary} entries", nameof(ids));
            }
        }
    }

    private struct ForwardArguments
    {
        public int* Ids;
        public MatrixView Table;
        public float* Output;
        public int Tokens;
    }

    private struct BackwardArguments
    {
        public int* Ids;
        public float* GradOutput;
        public float* GradTable;
        public int Tokens;
        public int Width;
    }
}
