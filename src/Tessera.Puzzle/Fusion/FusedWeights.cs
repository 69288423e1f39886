using Tessera.Devices;
using Tessera.Models.Blocks;
using Tessera.Tensors;

namespace Tessera.Puzzle.Fusion;

/// <summary>How weights of several sub-blocks become those of one: rows below each other, columns side by side, gains folded in.</summary>
internal static unsafe class FusedWeights
{
    private const int RowsAtOnce = 16;

    /// <summary>Refuses weights that are not f32.</summary>
    /// <exception cref="ArgumentException">The first that is not.</exception>
    public static void EnsureFloats(IEnumerable<SubBlock> parts)
    {
        if (parts.SelectMany(part => part.Parameters).FirstOrDefault(parameter => parameter.Type != DType.F32) is { } narrow)
        {
            throw new ArgumentException($"parameter {narrow.Name} is stored in {narrow.Type.Label()}, fusion needs f32");
        }
    }

    /// <summary>target[r, c] = source[r, c] · gain[c].</summary>
    public static void FoldRows(Parameter source, int sourceRow, Parameter target, int targetRow, int rows, float[] gain) =>
        source.Read(sourceRow, rows, (row, from) => target.Write(targetRow + row, from.Rows, (inner, to) =>
        {
            for (long r = 0; r < to.Rows; r++)
            {
                float* read = from.Floats + ((inner + r) * from.Columns);
                float* write = to.Floats + (r * to.Columns);
                for (int c = 0; c < gain.Length; c++)
                {
                    write[c] = read[c] * gain[c];
                }
            }
        }));

    /// <summary>Matrices of equal rows side by side, by way of the host, a few rows at a time.</summary>
    public static void JoinColumns(IReadOnlyList<Parameter> parts, Parameter joint)
    {
        int width = joint.Columns;
        float[] joined = new float[checked(Math.Min(RowsAtOnce, joint.Rows) * width)];
        for (int row = 0; row < joint.Rows; row += RowsAtOnce)
        {
            int rows = Math.Min(RowsAtOnce, joint.Rows - row), start = 0;
            foreach (var part in parts)
            {
                int column = start;
                part.Read(row, rows, (before, from) =>
                {
                    for (int r = 0; r < from.Rows; r++)
                    {
                        new ReadOnlySpan<float>(from.Floats + ((long)r * from.Columns), from.Columns)
                            .CopyTo(joined.AsSpan(((before + r) * width) + column));
                    }
                });
                start += part.Columns;
            }

            joint.Write(row, rows, (before, to) =>
                joined.AsSpan(before * width, to.Rows * width).CopyTo(new Span<float>(to.Floats, to.Rows * width)));
        }
    }

    /// <summary>Biases added up; zeros where there are none.</summary>
    public static float[] Sum(IReadOnlyList<Parameter> biases, int count)
    {
        float[] sum = new float[count];
        foreach (var bias in biases)
        {
            foreach (var (i, value) in Values(bias).Index())
            {
                sum[i] += value;
            }
        }

        return sum;
    }

    /// <summary>A gain or bias on the host.</summary>
    public static float[] Values(Parameter vector)
    {
        float[] values = new float[vector.Count];
        vector.ReadWhole(from => new ReadOnlySpan<float>(from.Floats, values.Length).CopyTo(values));
        return values;
    }

    /// <summary>Writes a gain or bias.</summary>
    public static void Store(float[] values, Parameter vector) => vector.Write(0, vector.Rows, (before, to) =>
        values.AsSpan(before * to.Columns, to.Rows * to.Columns).CopyTo(new Span<float>(to.Floats, to.Rows * to.Columns)));
}
