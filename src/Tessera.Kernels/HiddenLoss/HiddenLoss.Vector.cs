using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class HiddenLoss
{
    private static void CosineBody(void* context, int worker, int workers)
    {
        ref var a = ref *(CosineArguments*)context;
        var (start, end) = WorkerPool.Share(a.Tokens, worker, workers);
        for (int t = start; t < end; t++)
        {
            a.Loss[t] = a.Weights[t] == 0 ? 0f : CosineRow(ref a, t);
        }
    }

    private static float CosineRow(ref CosineArguments a, int t)
    {
        float* student = a.Student + ((long)t * a.Width);
        float* teacher = a.Teacher + ((long)t * a.Width);
        var (dot, studentSquares, teacherSquares) = Products(student, teacher, a.Width);
        if (studentSquares == 0 || teacherSquares == 0)
        {
            return 1f;
        }

        double norms = Math.Sqrt(studentSquares) * Math.Sqrt(teacherSquares);
        double cosine = dot / norms;
        if (a.Gradient is not null)
        {
            // ∂(1 − cos)/∂s = s · cos/‖s‖² − t / (‖s‖‖t‖)
            double scale = (double)a.Scale * a.Weights[t];
            Combine(student, teacher, a.Gradient + ((long)t * a.Width), scale * cosine / studentSquares, -scale / norms, a.Width);
        }

        return (float)(1.0 - cosine);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static (double Dot, double StudentSquares, double TeacherSquares) Products(float* student, float* teacher, int width)
    {
        Vector512<double> d0 = default, d1 = default, s0 = default, s1 = default, t0 = default, t1 = default;
        int i = 0;
        for (; i <= width - 16; i += 16)
        {
            VectorMath.Prefetch(student + i + VectorMath.FloatsAhead);
            VectorMath.Prefetch(teacher + i + VectorMath.FloatsAhead);
            Vector512<float> s = Vector512.Load(student + i), t = Vector512.Load(teacher + i);
            Vector512<double> sl = Vector512.WidenLower(s), sh = Vector512.WidenUpper(s);
            Vector512<double> tl = Vector512.WidenLower(t), th = Vector512.WidenUpper(t);
            d0 = Vector512.MultiplyAddEstimate(sl, tl, d0);
            d1 = Vector512.MultiplyAddEstimate(sh, th, d1);
            s0 = Vector512.MultiplyAddEstimate(sl, sl, s0);
            s1 = Vector512.MultiplyAddEstimate(sh, sh, s1);
            t0 = Vector512.MultiplyAddEstimate(tl, tl, t0);
            t1 = Vector512.MultiplyAddEstimate(th, th, t1);
        }

        double dot = VectorMath.Sum(d0 + d1), studentSquares = VectorMath.Sum(s0 + s1), teacherSquares = VectorMath.Sum(t0 + t1);
        for (; i < width; i++)
        {
            dot += (double)student[i] * teacher[i];
            studentSquares += (double)student[i] * student[i];
            teacherSquares += (double)teacher[i] * teacher[i];
        }

        return (dot, studentSquares, teacherSquares);
    }

    // In double, because for near-parallel vectors the two terms cancel almost entirely.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Combine(float* student, float* teacher, float* gradient, double studentFactor, double teacherFactor, int width)
    {
        Vector512<double> fs = Vector512.Create(studentFactor), ft = Vector512.Create(teacherFactor);
        int i = 0;
        for (; i <= width - 16; i += 16)
        {
            VectorMath.Prefetch(gradient + i + VectorMath.FloatsAhead);
            Vector512<float> s = Vector512.Load(student + i), t = Vector512.Load(teacher + i);
            Vector512<double> low = Vector512.MultiplyAddEstimate(Vector512.WidenLower(s), fs, Vector512.WidenLower(t) * ft);
            Vector512<double> high = Vector512.MultiplyAddEstimate(Vector512.WidenUpper(s), fs, Vector512.WidenUpper(t) * ft);
            (Vector512.Load(gradient + i) + Vector512.Narrow(low, high)).Store(gradient + i);
        }

        for (; i < width; i++)
        {
            gradient[i] += (float)Math.FusedMultiplyAdd(student[i], studentFactor, teacher[i] * teacherFactor);
        }
    }

    private static void SquareBody(void* context, int worker, int workers)
    {
        ref var a = ref *(SquareArguments*)context;
        var (start, end) = WorkerPool.Share(a.Blocks, worker, workers);
        for (int block = start; block < end; block++)
        {
            long first = (long)block * RowLaunch.BlockElements;
            int count = (int)Math.Min(RowLaunch.BlockElements, a.Count - first);
            (a.Differences[block], a.Norms[block]) = Squares(a.Student + first, a.Teacher + first, count);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static (double Difference, double Norm) Squares(float* student, float* teacher, int count)
    {
        Vector512<double> d0 = default, d1 = default, n0 = default, n1 = default;
        int i = 0;
        for (; i <= count - 16; i += 16)
        {
            VectorMath.PrefetchOnce(student + i + VectorMath.FloatsAhead);
            VectorMath.PrefetchOnce(teacher + i + VectorMath.FloatsAhead);
            Vector512<float> s = Vector512.Load(student + i), t = Vector512.Load(teacher + i);
            Vector512<double> tl = Vector512.WidenLower(t), th = Vector512.WidenUpper(t);
            Vector512<double> dl = Vector512.WidenLower(s) - tl, dh = Vector512.WidenUpper(s) - th;
            d0 = Vector512.MultiplyAddEstimate(dl, dl, d0);
            d1 = Vector512.MultiplyAddEstimate(dh, dh, d1);
            n0 = Vector512.MultiplyAddEstimate(tl, tl, n0);
            n1 = Vector512.MultiplyAddEstimate(th, th, n1);
        }

        double difference = VectorMath.Sum(d0 + d1), norm = VectorMath.Sum(n0 + n1);
        for (; i < count; i++)
        {
            double d = (double)student[i] - teacher[i];
            difference += d * d;
            norm += (double)teacher[i] * teacher[i];
        }

        return (difference, norm);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SquareGradientBody(void* context, int worker, int workers)
    {
        ref var a = ref *(SquareArguments*)context;
        var (start, end) = WorkerPool.Share(a.Count, worker, workers, VectorMath.Lanes);
        float* student = a.Student, teacher = a.Teacher, gradient = a.Gradient;
        bool pastCaches = gradient != student && VectorMath.WritesPastCaches(gradient, a.Count * sizeof(float));
        Vector512<float> factor = Vector512.Create(a.Factor);
        long i = start;
        for (; i <= end - 16; i += 16)
        {
            VectorMath.PrefetchOnce(student + i + VectorMath.FloatsAhead);
            VectorMath.PrefetchOnce(teacher + i + VectorMath.FloatsAhead);
            VectorMath.Store((Vector512.Load(student + i) - Vector512.Load(teacher + i)) * factor, gradient + i, pastCaches);
        }

        for (; i < end; i++)
        {
            gradient[i] = (student[i] - teacher[i]) * a.Factor;
        }
    }
}
