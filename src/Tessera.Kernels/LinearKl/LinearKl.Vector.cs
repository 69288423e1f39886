using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class LinearKl
{
    // (e^x − 1 − x) / x² = 1/2 + x/6 + x²/24 + …; used for |x| ≤ 1/2, where seven terms leave 2e-8 of 1/2.
    private const float SeriesBound = 0.5f;
    private const float C1 = 1f / 6f;
    private const float C2 = 1f / 24f;
    private const float C3 = 1f / 120f;
    private const float C4 = 1f / 720f;
    private const float C5 = 1f / 5040f;
    private const float C6 = 1f / 40320f;

    // Lanes behind a row hold this logit in both rows: no probability in either, so neither loss nor gradient.
    private const float Nowhere = -1e30f;

    private static void Body(void* context, int worker, int workers)
    {
        ref var a = ref *(Arguments*)context;
        var (start, end) = WorkerPool.Share(a.Tokens, worker, workers);
        for (int t = start; t < end; t++)
        {
            float* student = a.Student + ((long)t * a.Vocabulary);
            if (a.Weights[t] == 0)
            {
                a.Loss[t] = 0;
                if (a.Excess is not null)
                {
                    a.Excess[t] = 0;
                }

                new Span<float>(student, a.Vocabulary).Clear();
                continue;
            }

            Row row = Normalisers(student, a.Teacher + ((long)t * a.Vocabulary), a.Vocabulary, 1f / a.Temperature);
            if (a.Excess is not null)
            {
                // Before the gradient replaces the logits.
                int target = a.Targets[t];
                a.Excess[t] = row.Offset - ((student[target] - row.Teacher[target]) * row.Factor);
            }

            row.Coefficient = a.Scale * a.Weights[t] * a.Temperature;
            double sum = 0;
            for (int first = 0; first < a.Vocabulary; first += LinearCrossEntropy.SumBlock)
            {
                sum += Block(row, first, Math.Min(LinearCrossEntropy.SumBlock, a.Vocabulary - first));
            }

            a.Loss[t] = (float)(sum * a.Temperature * a.Temperature);
        }
    }

    private static Row Normalisers(float* student, float* teacher, int count, float factor)
    {
        float studentMax = LinearCrossEntropy.Max(student, count), teacherMax = LinearCrossEntropy.Max(teacher, count);
        double studentSum = LinearCrossEntropy.SumExponentials(student, count, studentMax, factor, false);
        double teacherSum = LinearCrossEntropy.SumExponentials(teacher, count, teacherMax, factor, false);
        return new Row
        {
            Student = student,
            Teacher = teacher,
            Factor = factor,
            StudentMax = studentMax,
            TeacherMax = teacherMax,
            StudentInverse = (float)(1.0 / studentSum),
            TeacherInverse = (float)(1.0 / teacherSum),
            Offset = (float)((((double)studentMax - teacherMax) * factor) + Math.Log(studentSum / teacherSum)),
        };
    }

    // Σ p φ(x) over a block; the gradient replaces the student's logits.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double Block(in Row row, int first, int count)
    {
        float* student = row.Student + first, teacher = row.Teacher + first;
        Vector512<float> coefficient = Vector512.Create(row.Coefficient), s0 = default, s1 = default;
        int i = 0;
        for (; i <= count - 32; i += 32)
        {
            var (loss0, gradient0) = Terms(row, Vector512.Load(student + i), Vector512.Load(teacher + i));
            var (loss1, gradient1) = Terms(row, Vector512.Load(student + i + 16), Vector512.Load(teacher + i + 16));
            s0 += loss0;
            s1 += loss1;
            (gradient0 * coefficient).Store(student + i);
            (gradient1 * coefficient).Store(student + i + 16);
        }

        for (; i < count; i += 16)
        {
            int part = Math.Min(16, count - i);
            var (loss, gradient) = Terms(
                row, VectorMath.LoadPart(student + i, part, Nowhere), VectorMath.LoadPart(teacher + i, part, Nowhere));
            s0 += loss;
            VectorMath.StorePart(gradient * coefficient, student + i, part);
        }

        return VectorMath.Sum(s0 + s1);
    }

    // x = log(q/p). Near 0 both φ(x) and q − p = p (x + φ(x)) come from the series; elsewhere from p and q themselves, where
    // p may have become 0 without harm.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector512<float> Loss, Vector512<float> Gradient) Terms(
        in Row row, Vector512<float> student, Vector512<float> teacher)
    {
        Vector512<float> factor = Vector512.Create(row.Factor);
        Vector512<float> p = VectorMath.Exp((teacher - Vector512.Create(row.TeacherMax)) * factor) * Vector512.Create(row.TeacherInverse);
        Vector512<float> q = VectorMath.Exp((student - Vector512.Create(row.StudentMax)) * factor) * Vector512.Create(row.StudentInverse);
        Vector512<float> x = Vector512.MultiplyAddEstimate(student - teacher, factor, Vector512.Create(-row.Offset));
        Vector512<float> series = Vector512.MultiplyAddEstimate(Vector512.Create(C6), x, Vector512.Create(C5));
        series = Vector512.MultiplyAddEstimate(series, x, Vector512.Create(C4));
        series = Vector512.MultiplyAddEstimate(series, x, Vector512.Create(C3));
        series = Vector512.MultiplyAddEstimate(series, x, Vector512.Create(C2));
        series = Vector512.MultiplyAddEstimate(series, x, Vector512.Create(C1));
        series = Vector512.MultiplyAddEstimate(series, x, Vector512.Create(0.5f)) * x * x;
        Vector512<float> near = Vector512.LessThanOrEqual(Vector512.Abs(x), Vector512.Create(SeriesBound));
        Vector512<float> difference = q - p;
        Vector512<float> loss = Vector512.ConditionalSelect(near, p * series, difference - (p * x));
        return (loss, Vector512.ConditionalSelect(near, p * (x + series), difference));
    }

    private struct Row
    {
        public float* Student;
        public float* Teacher;
        public float Factor;
        public float StudentMax;
        public float TeacherMax;
        public float StudentInverse;
        public float TeacherInverse;
        public float Offset;
        public float Coefficient;
    }
}
