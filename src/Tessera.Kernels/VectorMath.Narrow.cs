using System.Numerics;
using System.Runtime.CompilerServices;

namespace Tessera.Kernels;

/// <content>The exponential for the processor's own vectors of eight or four lanes.</content>
public static unsafe partial class VectorMath
{
    /// <summary>e^x in every lane: the steps of <see cref="Exp(System.Runtime.Intrinsics.Vector512{float})"/> where no 512-bit registers exist.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Exp(Vector<float> x)
    {
        x = Vector.MinNative(new Vector<float>(HighestExponent), x);
        x = Vector.MaxNative(new Vector<float>(LowestExponent), x);
        Vector<float> n = Vector.Round(x * new Vector<float>(Log2E));
        Vector<float> r = Vector.MultiplyAddEstimate(n, new Vector<float>(-Ln2High), x);
        r = Vector.MultiplyAddEstimate(n, new Vector<float>(-Ln2Low), r);
        Vector<float> q = Vector.MultiplyAddEstimate(new Vector<float>(Q4), r, new Vector<float>(Q3));
        q = Vector.MultiplyAddEstimate(q, r, new Vector<float>(Q2));
        q = Vector.MultiplyAddEstimate(q, r, new Vector<float>(Q1));
        q = Vector.MultiplyAddEstimate(q, r, new Vector<float>(Q0));
        q = Vector.MultiplyAddEstimate(q, r, Vector<float>.One);
        q = Vector.MultiplyAddEstimate(q, r, Vector<float>.One);

        // A NaN lane has an arbitrary exponent here; its value stays NaN through the products.
        Vector<int> whole = Vector.ConvertToInt32(n);
        Vector<int> half = whole >> 1;
        var bias = new Vector<int>(127);
        return q * Vector.AsVectorSingle((half + bias) << 23) * Vector.AsVectorSingle((whole - half + bias) << 23);
    }
}
