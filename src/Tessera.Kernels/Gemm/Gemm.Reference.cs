using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class Gemm
{
    /// <summary>The formula of <see cref="Multiply"/> with one double accumulator an element, for tests.</summary>
    /// <returns>op(A)·op(B), dense [m, n]; the caller adds what C held before.</returns>
    public static double[] Reference(in MatrixView a, bool transposeA, in MatrixView b, bool transposeB, int m, int n, int k)
    {
        var result = new double[(long)m * n];
        for (int i = 0; i < m; i++)
        {
            for (int j = 0; j < n; j++)
            {
                double sum = 0;
                for (int p = 0; p < k; p++)
                {
                    double left = transposeA ? Element(a, p, i) : Element(a, i, p);
                    double right = transposeB ? Element(b, j, p) : Element(b, p, j);
                    sum += left * right;
                }

                result[((long)i * n) + j] = sum;
            }
        }

        return result;
    }

    private static float Element(in MatrixView view, int row, int column)
    {
        long index = (row * view.Stride) + column;
        return view.Type == DType.BF16 ? Bf16.Widen(view.Halves[index]) : view.Floats[index];
    }
}
